package filesystem

import (
	"context"
	"fmt"
	"strings"
)

// Verdict says whether two ways of counting agree.
type Verdict string

// The verdicts. A count without a second way has none.
const (
	Holds   Verdict = "holds"
	Differs Verdict = "differs"
	Unread  Verdict = "unread"
)

// CoverageLine is one count of what was read of a volume.
type CoverageLine struct {
	What    string
	Count   uint64
	Verdict Verdict
	Detail  string
}

// Coverage counts every MFT entry by what it is, and proves the counts by the
// bitmaps of the volume.
func (n *NTFS) Coverage(ctx context.Context) ([]CoverageLine, error) {
	cov := n.cat.Coverage()
	a, err := n.cat.Account(ctx)
	if err != nil {
		return nil, err
	}
	sum := cov.Live + cov.Deleted + cov.Extensions + cov.Leftover + cov.Blank + cov.Zero + cov.Bad + cov.Unread
	out := []CoverageLine{
		{"MFT entries", cov.Records, verdict(sum == cov.Records), "the sum of the lines below"},
		{"MFT entries in use", cov.Live, "", ""},
		{"MFT entries deleted", cov.Deleted, "", "not in use, and not used again yet"},
		{"extension records of these", cov.Extensions, "", ""},
		{"extension records without their base", cov.Leftover, "", "left over; their names are listed as orphans"},
		{"formatted, never used", cov.Blank, "", ""},
		{"zeros", cov.Zero, "", ""},
		{"something else than an MFT entry", cov.Bad, "", ""},
		{"could not be read", cov.Unread, "", fmt.Sprintf("%d bytes", cov.BytesUnread)},
	}
	r := a.Records
	line := CoverageLine{"MFT entries in use by $MFT:$BITMAP", r.Marked, Unread, ""}
	if r.Checked {
		line.Verdict = verdict(len(r.NotMarked)+len(r.NotUsed) == 0)
		line.Detail = fmt.Sprintf("%d have the flag", r.InUse)
		line.Detail += list(", in use and not marked: ", r.NotMarked) + list(", marked and not in use: ", r.NotUsed)
	}
	out = append(out, line)
	k := a.Clusters
	line = CoverageLine{"clusters in use by $Bitmap", k.Allocated, Unread, ""}
	if k.Checked {
		line.Verdict = verdict(k.Unowned+k.NotMarked+k.Double == 0)
		line.Detail = fmt.Sprintf("of %d; %d belong to an entry", k.Clusters, k.Owned)
		if line.Verdict == Differs {
			line.Detail += fmt.Sprintf("; %d marked and of no entry, %d of an entry and not marked, %d of two entries", k.Unowned, k.NotMarked, k.Double)
			for _, f := range k.Examples[:min(3, len(k.Examples))] {
				line.Detail += fmt.Sprintf("; %d from cluster %d on: entry %s", f.Len, f.LCN, f.Owner)
				if f.Other != 0 {
					line.Detail += " and " + f.Other.String()
				}
			}
		}
	}
	out = append(out, line)
	mirror := CoverageLine{"entries that differ in $MFTMirr", uint64(len(a.Mirror)), verdict(len(a.Mirror) == 0), strings.TrimPrefix(list(", ", a.Mirror), ", ")}
	if !r.Checked && !k.Checked {
		mirror.Verdict = Unread
	}
	out = append(out, mirror)
	out = append(out, n.metaSums(ctx)...)
	for _, d := range a.Damage {
		out = append(out, CoverageLine{"could not be read for these sums", 1, Unread, d.Error()})
	}
	return out, nil
}

func verdict(ok bool) Verdict {
	if ok {
		return Holds
	}
	return Differs
}

// list prints the first few numbers.
func list(before string, numbers []uint64) string {
	if len(numbers) == 0 {
		return ""
	}
	const most = 8
	var out []string
	for _, n := range numbers[:min(most, len(numbers))] {
		out = append(out, fmt.Sprint(n))
	}
	if len(numbers) > most {
		out = append(out, "…")
	}
	return before + strings.Join(out, " ")
}
