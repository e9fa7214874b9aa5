package main

import (
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
)

// The sizes and digests of the table are those of icat, and where ntfs-3g could
// be asked it agreed or the table says otherwise.
func TestCorpusFiles(t *testing.T) {
	byImage := map[string][]map[string]string{}
	var images []string
	for _, row := range corpus.Truth(t, "ntfs_files") {
		if byImage[row["file"]] == nil {
			images = append(images, row["file"])
		}
		byImage[row["file"]] = append(byImage[row["file"]], row)
	}
	for _, image := range images {
		t.Run(strings.TrimPrefix(image, "images/"), func(t *testing.T) {
			compareFiles(t, corpus.Path(t, image), byImage[image])
		})
	}
}

func compareFiles(t *testing.T, image string, table []map[string]string) {
	code, out, errs := walk(t, "list", "--format", "jsonl", "--hash", "sha256", image)
	if code == cli.Failed {
		t.Skip(strings.TrimSpace(errs))
	}
	type key struct{ entry, path string }
	got := map[key][]listed{}
	for _, r := range rows(t, out) {
		path := r.Path
		if r.Stream != "" {
			path += ":" + r.Stream
		}
		got[key{itoa(r.Entry), path}] = append(got[key{itoa(r.Entry), path}], r)
	}
	n, missing, states, differ := 0, 0, 0, 0
	for _, row := range table {
		inode := strings.Split(row["inode"], "-")
		if len(inode) > 1 && inode[1] != "128" && inode[1] != "144" || strings.HasPrefix(row["path"], "$OrphanFiles") || row["path"] == "" {
			continue
		}
		if row["type"] == "stream" && inode[1] == "144" || row["path"] == "$BadClus:$Bad" || inode[0] == "0" && row["state"] == "deleted" {
			continue // index streams are not listed; icat gives nothing for $Bad; entry 0 stands for leftovers of indexes
		}
		row["path"] = strings.Replace(row["path"], "/.:", ":", 1) // a stream of a directory
		n++
		rs := got[key{inode[0], row["path"]}]
		if len(rs) == 0 {
			if missing++; missing < 5 {
				t.Errorf("missing: %v", row)
			}
			continue
		}
		r := rs[0]
		if (r.State == "deleted" || r.State == "orphan") != (row["state"] == "deleted") {
			if states++; states < 5 {
				t.Errorf("state %s: %v", r.State, row)
			}
		}
		if len(row["sha256"]) == 64 && r.SHA256 != row["sha256"] {
			if row["state"] == "deleted" && r.SHA256 == "" {
				continue // not proven to be its own: the row says so
			}
			if strings.Contains(image, "bad-flip") && r.SHA256 == "" && len(r.Problems) > 0 {
				continue // this container was damaged on purpose
			}
			if differ++; differ < 5 {
				t.Errorf("got %d bytes %s %v: %v", r.Size, r.SHA256, r.Problems, row)
			}
		}
	}
	t.Logf("%d rows compared: %d missing, %d other states, %d differ; exit %d", n, missing, states, differ, code)
}

func itoa(n uint64) string {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}
