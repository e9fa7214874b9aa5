package filesystem

import (
	"context"
	"fmt"
)

// Coverage counts the entries, and proves the allocation table, or the bitmap of
// exFAT, by the clusters of the entries in use.
func (f *FAT) Coverage(ctx context.Context) ([]CoverageLine, error) {
	i := f.Info()
	out := []CoverageLine{
		{"directory entries in use", uint64(i.LiveCount), "", "with the root directory"},
		{"directory entries deleted", uint64(i.Deleted), "", ""},
		{"entries of directories that nothing leads to", uint64(i.Orphans), "", ""},
	}
	u, err := f.cat.Usage(ctx)
	if err != nil {
		return nil, err
	}
	line := CoverageLine{"clusters in use", uint64(u.Used), verdict(u.Lost+u.NotMarked+u.Double == 0), fmt.Sprintf("of %d; %d belong to an entry, %d are marked bad", u.Clusters, u.Owned, u.Bad)}
	if u.Unread > 0 {
		line.Verdict = Unread
		line.Detail += fmt.Sprintf("; of %d it cannot be read", u.Unread)
	}
	if u.Lost+u.NotMarked+u.Double > 0 {
		line.Detail += fmt.Sprintf("; %d marked and of no entry, %d of an entry and not marked, %d of two entries", u.Lost, u.NotMarked, u.Double)
	}
	out = append(out, line)
	if n, ok, err := f.vol.TablesDiffer(); err != nil {
		out = append(out, CoverageLine{"sectors in which the two tables differ", 0, Unread, err.Error()})
	} else if ok {
		out = append(out, CoverageLine{"sectors in which the two tables differ", uint64(n), verdict(n == 0), ""})
	}
	free := uint64(u.Clusters) - uint64(u.Used) - uint64(u.Bad) - uint64(u.Unread)
	if n, ok, err := f.vol.FreeCount(); err != nil {
		out = append(out, CoverageLine{"free clusters by FSInfo", 0, Unread, err.Error()})
	} else if ok {
		out = append(out, CoverageLine{"free clusters by FSInfo", uint64(n), "", fmt.Sprintf("%d by the table; drivers keep this count only roughly", free)})
	}
	return out, nil
}
