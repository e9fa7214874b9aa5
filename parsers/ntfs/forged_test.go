package ntfs

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Limits for one forged volume of 64 MiB.
const (
	forgedTime   = 5 * time.Second // of the processor
	forgedMemory = 256 << 20
)

// TestForged walks volumes with one forged structure each (build-ntfs-volume
// --forge KIND): nothing may run for ever, take memory by a size field, or
// end the walk. KANSHIKI_NTFS_FORGED names their folder.
func TestForged(t *testing.T) {
	dir := os.Getenv("KANSHIKI_NTFS_FORGED")
	if dir == "" {
		t.Skip("no forged volumes: KANSHIKI_NTFS_FORGED names a folder of them")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.img"))
	if len(names) == 0 {
		t.Fatal("no volumes in ", dir)
	}
	for _, name := range names {
		kind := strings.TrimSuffix(filepath.Base(name), ".img")
		t.Run(kind, func(t *testing.T) {
			f, size := openImage(t, name)
			runtime.GC()
			begin := cpuTime()
			rows, bytes, bad := useAll(t, f, size)
			took := cpuTime() - begin
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			forged, _ := os.ReadFile(name + ".forged.txt")
			t.Logf("%d streams, %d bytes, %d bad, %v, heap %d MiB; %.200s", rows, bytes, bad, took, m.HeapSys>>20, forged)
			if took > forgedTime {
				t.Errorf("took %v", took)
			}
			if m.HeapSys > forgedMemory {
				t.Errorf("heap of %d MiB", m.HeapSys>>20)
			}
			if rows < 500 {
				t.Errorf("only %d streams", rows)
			}
		})
	}
}

// useAll does everything with a volume that a caller can do.
func useAll(t testing.TB, r io.ReaderAt, size int64) (streams int, bytes int64, bad int) {
	v, err := Open(r, size, Options{})
	if err != nil {
		t.Log(err)
		return 0, 0, 1
	}
	for _, d := range v.Findings() {
		t.Logf("finding: %v", d.Error())
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		t.Log(err)
		return 0, 0, 1
	}
	for i, d := range c.Damage() {
		if i < 6 {
			t.Logf("damage: %v (offset %#x)", d.Error(), d.Off)
		}
	}
	cov := c.Coverage()
	if sum := cov.Live + cov.Deleted + cov.Extensions + cov.Leftover + cov.Blank + cov.Zero + cov.Bad + cov.Unread; sum != cov.Records {
		t.Errorf("coverage does not sum up: %+v", cov)
	}
	var path []byte
	buf := make([]byte, 64<<10)
	for f := range c.Files() {
		for l := range f.Links() {
			path, _ = l.Path(path[:0])
		}
		for range f.Children() {
		}
		f.Info()
		f.Damage()
		f.State()
		f.Reparse()
		f.ObjectID()
		for range f.CheckIndex() {
		}
		if rec, err := v.Record(uint64(f.n)); err == nil {
			for range rec.Slack() {
			}
		}
		for s := range f.Attributes() {
			streams++
			if f.State() == Deleted {
				s.Remnants()
			}
			s.Residues()
			rd, err := s.Open(0)
			if err != nil {
				bad++
				continue
			}
			if rd.Size() > size {
				continue // holes: the caller decides
			}
			n, err := rd.CopyTo(sha256.New(), buf)
			bytes += n
			if err != nil {
				bad++
			}
		}
	}
	if _, err := c.Account(context.Background()); err != nil {
		t.Error(err)
	}
	if s, ok, err := c.Security(); ok && err == nil {
		for range c.MissingDescriptors(s) {
		}
	}
	for range c.ObjectIDs() {
	}
	for range c.ReparsePoints() {
	}
	for range c.Quotas() {
	}
	if j, ok, err := c.Journal(); ok && err == nil {
		h := j.History()
		for r, err := range j.Records() {
			if err == nil {
				path, _ = h.Path(path[:0], r)
			}
		}
	}
	return streams, bytes, bad
}
