package filesystem_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/filesystem"

	second "www.velocidex.com/golang/go-ntfs/parser"
)

// The tag keeps what go-ntfs itself needs out of go.mod until its modules are
// pinned there: ordereddict, json, yaml of Velocidex and go-spew. Until then
//
//	go test -tags secondreader -mod=mod -modfile=COPY -run SecondReader
//
// with a copy of go.mod runs it.

// TestSecondReader compares with go-ntfs v0.2.1, which others wrote: for every
// entry that it gives, state, names, sequence number and $SI times.
//
// Where it is known to be wrong it is not asked: names and sizes of entries
// whose attributes lie in several records, sizes of entries with named
// streams, names that are not plain text, times beyond 1678 to 2262.
func TestSecondReader(t *testing.T) {
	images := map[string][]byte{"small": smallImage(t)}
	if os.Getenv("KANSHIKI_CORPUS") != "" {
		for _, name := range []string{"images/ntfs/colinfinck/testfs1", "images/ntfs/util-linux/ntfs.img"} {
			b, err := os.ReadFile(corpus.Path(t, name))
			if err != nil {
				t.Fatal(err)
			}
			images[name] = b
		}
		images["images/ntfs/grr/ntfs_img.dd"] = grrImage(t)
	}
	for name, b := range images {
		t.Run(name, func(t *testing.T) { compareReaders(t, b) })
	}
}

func compareReaders(t *testing.T, image []byte) {
	n := open(t, image)
	mft, err := n.Open(t.Context(), filesystem.Ref{Entry: 0}, "")
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, mft.Size())
	if _, err := mft.ReadAt(raw, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	info := n.Info()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	compared := 0
	for h := range second.ParseMFTFile(ctx, bytes.NewReader(raw), int64(len(raw)), int64(info.ClusterSize), int64(info.RecordSize)) {
		if h.EntryNumber < 24 && len(h.FileNames) == 0 || strings.Contains(h.Inode, ":") {
			continue
		}
		e, err := n.Entry(t.Context(), filesystem.Ref{Entry: uint64(h.EntryNumber)})
		if err != nil {
			// It shows extension records and blank ones as files of their own.
			continue
		}
		f, _ := n.Catalog().File(e.Ref.Entry)
		records := 0
		for range f.Records() {
			records++
		}
		if records > 1 || !plainNames(e) || e.Ref.Entry == 5 {
			continue
		}
		compared++
		if h.InUse != e.InUse {
			t.Errorf("%d: in use %v, we say %v", h.EntryNumber, h.InUse, e.InUse)
		}
		if h.SequenceNumber != f.Ref().Seq() {
			t.Errorf("%d: sequence %d, we say %d", h.EntryNumber, h.SequenceNumber, f.Ref().Seq())
		}
		for _, name := range e.Names {
			if !slices.Contains(h.FileNames, name.Base) {
				t.Errorf("%d: names %q, we say %q", h.EntryNumber, h.FileNames, name.Base)
			}
		}
		for _, c := range []struct {
			theirs time.Time
			ours   filesystem.Times
		}{{h.LastModified0x10, e.SI}} {
			if y := c.theirs.Year(); c.ours.Modified.Valid() && y > 1700 && y < 2200 && e.Ref.Entry != 0 && !c.theirs.Equal(c.ours.Modified.Time()) {
				t.Errorf("%d: modified %v, we say %v", h.EntryNumber, c.theirs, c.ours.Modified)
			}
		}
		if h.IsDir != (f.IsDir()) {
			t.Errorf("%d: directory %v", h.EntryNumber, h.IsDir)
		}
		if len(e.Streams) == 1 && e.Streams[0].Name == "" && h.FileSize != e.Streams[0].Size {
			t.Errorf("%d %s: size %d, we say %d", h.EntryNumber, e.Names[0].Path, h.FileSize, e.Streams[0].Size)
		}
	}
	if compared < 10 {
		t.Errorf("only %d entries compared", compared)
	}
	t.Logf("%d entries compared", compared)
}

func plainNames(e *filesystem.Entry) bool {
	for _, n := range e.Names {
		if n.UTF16 != nil {
			return false
		}
	}
	return len(e.Names) > 0
}
