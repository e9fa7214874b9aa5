package ewf

import (
	"encoding/binary"
	"hash/adler32"
	"runtime"
	"testing"
)

// large is an image of 16 TiB in chunks of 32 KiB, more than 2^29 of them, made
// as it is read: every chunk of a group is the same one of zeros.
type large struct {
	head    []byte
	chunk   []byte
	entries []byte // of a table, and their checksum
}

const (
	largeGroups = 1<<29/tableEntries + 1
	largeChunks = largeGroups * tableEntries
	groupTable  = descriptorSize + tableHeadSize + 4*tableEntries + 4
)

func newLarge(t *testing.T) *large {
	e, err := NewEncoder(Fast)
	if err != nil {
		t.Fatal(err)
	}
	l := &large{entries: make([]byte, 4*tableEntries, 4*tableEntries+4)}
	for i := range tableEntries {
		binary.LittleEndian.PutUint32(l.entries[4*i:], descriptorSize|1<<31)
	}
	l.entries = sealed(l.entries)
	l.chunk, _ = e.Encode(nil, make([]byte, 32<<10))
	w := &Writer{o: WriterOptions{Sectors: largeChunks * 64, BytesPerSector: 512, SectorsPerChunk: 64}}
	l.head = append(append([]byte(nil), sigPhysical...), 1, 1, 0, 0, 0)
	volume := w.volume()
	l.head = append(l.head, descriptor("volume", int64(len(l.head)+descriptorSize+len(volume)), int64(descriptorSize+len(volume)))...)
	l.head = append(l.head, volume...)
	return l
}

// group is the size of one: sectors, table, table2.
func (l *large) group() int64 { return descriptorSize + int64(len(l.chunk)) + 2*groupTable }

func (l *large) size() int64 { return int64(len(l.head)) + largeGroups*l.group() + descriptorSize }

// part gives the bytes of a group that begin at off in it: a descriptor with
// what follows it, or a table's entries.
func (l *large) part(g, off int64) []byte {
	at := int64(len(l.head)) + g*l.group()
	sectors := descriptorSize + int64(len(l.chunk))
	if off < sectors {
		return append(descriptor("sectors", at+sectors, sectors), l.chunk...)[off:]
	}
	kind := "table"
	start := sectors
	if off >= sectors+groupTable {
		kind, start = "table2", sectors+groupTable
	}
	const head = descriptorSize + tableHeadSize
	if off-start >= head {
		return l.entries[off-start-head:]
	}
	b := append(descriptor(kind, at+start+groupTable, groupTable), make([]byte, tableHeadSize)...)
	t := b[descriptorSize:]
	binary.LittleEndian.PutUint32(t, tableEntries)
	binary.LittleEndian.PutUint64(t[8:], uint64(at))
	binary.LittleEndian.PutUint32(t[20:], adler32.Checksum(t[:20]))
	return b[off-start:]
}

func (l *large) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		switch end := int64(len(l.head)) + largeGroups*l.group(); {
		case at < int64(len(l.head)):
			n += copy(p[n:], l.head[at:])
		case at >= end:
			n += copy(p[n:], descriptor("done", end, 0)[at-end:])
		default:
			g := (at - int64(len(l.head))) / l.group()
			n += copy(p[n:], l.part(g, at-int64(len(l.head))-g*l.group()))
		}
	}
	return len(p), nil
}

// More than 2^29 chunks open in a few megabytes: their table entries are read when a chunk
// is asked for, and forgotten.
func TestLarge(t *testing.T) {
	l := newLarge(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := Open([]Source{{Name: "large.E01", R: l, Size: l.size()}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != largeChunks*32<<10 {
		t.Fatalf("%d bytes", r.Size())
	}
	p := make([]byte, 100<<10)
	for off := int64(0); off < r.Size(); off += r.Size() / 97 {
		if n, err := r.ReadAt(p, min(off+1000, r.Size()-int64(len(p)))); n != len(p) || err != nil {
			t.Fatalf("at %d: %d, %v", off, n, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d MiB held", held>>20)
	if held > 100<<20 {
		t.Errorf("%d bytes held", held)
	}
	for _, p := range r.Problems() {
		t.Errorf("%+v", p)
	}
}
