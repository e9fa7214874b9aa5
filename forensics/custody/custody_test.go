package custody

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func made(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "case")
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Info.Put(Exhibit{ID: "pc-2", Machine: "B"})
	c.Info.Put(Exhibit{ID: "pc-1", Machine: "A", Size: 1})
	c.Info.Put(Exhibit{ID: "pc-1", Machine: "A", Size: 2})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("JST", 9*3600))
	for range 3 {
		if err := c.Record(now, "ks-test 1", "test", Detail{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestChain(t *testing.T) {
	dir := made(t)
	i, err := Read(dir)
	if err != nil || len(i.Exhibits) != 2 || i.Exhibits[0].Size != 2 || len(i.Machines) != 2 || i.Entries != 3 {
		t.Fatalf("%+v %v", i, err)
	}
	entries, breaks, err := Verify(dir)
	if err != nil || len(breaks) != 0 || len(entries) != 3 || entries[2].Time != "2026-01-01T18:04:05Z" {
		t.Fatalf("%+v %v %v", entries, breaks, err)
	}
	log := filepath.Join(dir, logFile)
	whole, _ := os.ReadFile(log)
	l := bytes.SplitAfter(whole, []byte{'\n'})
	for name, bad := range map[string][]byte{
		"changed":   bytes.Replace(whole, []byte("test"), []byte("tset"), 1),
		"taken out": append(append([]byte{}, l[0]...), l[2]...),
		"put in":    append(append(append([]byte{}, l[0]...), l[0]...), append(l[1], l[2]...)...),
		"cut off":   append(append([]byte{}, l[0]...), l[1]...),
		"torn":      whole[:len(whole)-5],
		"last":      bytes.Replace(whole, []byte(`"n":3`), []byte(`"n":4`), 1),
		"emptied":   nil,
	} {
		os.WriteFile(log, bad, 0o666)
		if _, breaks, err := Verify(dir); err != nil || len(breaks) == 0 {
			t.Errorf("%s: not seen (%v)", name, err)
		}
	}
	os.Remove(log)
	if _, breaks, _ := Verify(dir); len(breaks) == 0 {
		t.Error("a log that is gone is not seen")
	}
}

// TestTorn: a line that a dying writer left stays, is named, and what follows
// is in the chain.
func TestTorn(t *testing.T) {
	dir := made(t)
	log := filepath.Join(dir, logFile)
	whole, _ := os.ReadFile(log)
	os.WriteFile(log, append(whole, `{"n":4,"ti`...), 0o666)
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Record(time.Unix(0, 0), "t", "after"); err != nil {
		t.Fatal(err)
	}
	c.Save()
	c.Close()
	entries, breaks, err := Verify(dir)
	if err != nil || len(entries) != 5 || len(breaks) != 1 || breaks[0].Line != 4 {
		t.Errorf("%v %v %v", entries, breaks, err)
	}
}

func TestLock(t *testing.T) {
	dir := made(t)
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("a second program: %v", err)
	}
	c.Close()
	c, err = Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := Read(t.TempDir()); !errors.Is(err, ErrNoCase) {
		t.Errorf("%v", err)
	}
}
