package filesystem_test

import (
	"encoding/binary"
	"io"
	"testing"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/volume"
)

// patched shows other bytes in some places.
type patched struct {
	io.ReaderAt
	size  int64
	bytes map[int64]byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, off)
	for at, v := range p.bytes {
		if at >= off && at < off+int64(n) {
			b[at-off] = v
		}
	}
	return n, err
}

// fixtureVolume is the volume of the fixture with files on it.
func fixtureVolume(t *testing.T) patched {
	t.Helper()
	return volumeOf(t, "../../fixtures/quarantined-pc/quarantined-pc.E01", volume.NTFS)
}

// volumeOf is the first volume of a kind in an image.
func volumeOf(t *testing.T, path string, kind volume.Kind) patched {
	t.Helper()
	e, err := evidence.OpenImage(t.Context(), path, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	vols, _ := volume.List(e.Image, e.Exhibit, e.Name)
	for _, v := range vols {
		if v.Kind == kind {
			return patched{io.NewSectionReader(e.Image, v.Off, v.Len), v.Len, map[int64]byte{}}
		}
	}
	t.Fatalf("no %s volume in %s", kind, path)
	return patched{}
}

func (p patched) open(t *testing.T) *filesystem.NTFS {
	t.Helper()
	n, err := filesystem.OpenNTFS(t.Context(), p, p.size, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reuse raises the sequence number of an entry, as using it again does: what
// lies below it names a directory that the $MFT does not have any more.
func (p patched) reuse(t *testing.T, n *filesystem.NTFS, path string) filesystem.Ref {
	t.Helper()
	ref := lookup(t, n, path)
	p.field(t, n, ref, 16, ref.Sequence+1)
	return ref
}

// field sets a 16-bit field of an MFT entry.
func (p patched) field(t *testing.T, n *filesystem.NTFS, ref filesystem.Ref, off int64, v uint16) {
	t.Helper()
	f, ok := n.Catalog().File(ref.Entry)
	if !ok {
		t.Fatalf("no entry %d", ref.Entry)
	}
	var b [2]byte
	binary.LittleEndian.PutUint16(b[:], v)
	p.bytes[f.Offset()+off], p.bytes[f.Offset()+off+1] = b[0], b[1]
}

func lookup(t *testing.T, n *filesystem.NTFS, path string) filesystem.Ref {
	t.Helper()
	ref, _, err := n.Lookup(t.Context(), path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return ref
}

// TestGoneDirectory: what lay in a directory keeps its path when the entry of
// the directory was used again, and the proof says who still names it.
func TestGoneDirectory(t *testing.T) {
	const recent = "Users/sato/AppData/Roaming/Microsoft/Windows/Recent"
	for _, c := range []struct {
		proof, dir string
		hidden     []string // sources that are taken away
	}{
		{"usn", recent + "/AutomaticDestinations", nil},
		{"log", recent + "/AutomaticDestinations", []string{"$Extend/$UsnJrnl"}},
		{"index", recent + "/AutomaticDestinations", []string{"$Extend/$UsnJrnl", "$LogFile"}},
		{"index", "Windows/System32", nil}, // older than the records of both
	} {
		p := fixtureVolume(t)
		whole := p.open(t)
		var below filesystem.Ref
		var name string
		for k, err := range whole.Children(t.Context(), lookup(t, whole, c.dir)) {
			if err != nil {
				t.Fatal(err)
			}
			below, name = k.Ref, k.Name
		}
		dir := p.reuse(t, whole, c.dir)
		for _, h := range c.hidden {
			p.field(t, whole, lookup(t, whole, h), 0, 0) // of the signature
		}
		n := p.open(t)
		e, err := n.Entry(t.Context(), below)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Names) == 0 || e.Names[0].Path != c.dir+"/"+name || e.Names[0].Proof != c.proof || e.Names[0].Parent != dir || e.State != filesystem.Orphan {
			t.Errorf("%s without %v: %s %+v", c.dir, c.hidden, e.State, e.Names)
			continue
		}
		for _, path := range []string{e.Names[0].Path, "/" + e.Names[0].Path} {
			if got, _, err := n.LookupDeleted(t.Context(), path); err != nil || got != below {
				t.Errorf("%s: %v, %v", path, got, err)
			}
		}
	}
}

// TestGoneNowhere: without any record of the directory the path begins with its
// reference, and can be looked up by that.
func TestGoneNowhere(t *testing.T) {
	p := fixtureVolume(t)
	whole := p.open(t)
	file := lookup(t, whole, "Windows/System32/drivers/etc/hosts")
	p.reuse(t, whole, "Windows/System32/drivers/etc")
	for _, h := range []string{"$Extend/$UsnJrnl", "$LogFile", "Windows/System32/drivers"} {
		p.field(t, whole, lookup(t, whole, h), 0, 0)
	}
	n := p.open(t)
	e, err := n.Entry(t.Context(), file)
	if err != nil || len(e.Names) == 0 || e.Names[0].Proof != "unknown" {
		t.Fatalf("%+v, %v", e, err)
	}
	if got, _, err := n.LookupDeleted(t.Context(), e.Names[0].Path); err != nil || got != file {
		t.Errorf("%s: %v, %v", e.Names[0].Path, got, err)
	}
}
