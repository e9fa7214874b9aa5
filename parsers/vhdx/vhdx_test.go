package vhdx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"kanshiki/parsers/container"
)

const mib = 1 << 20

// disk is one that is built by the specification: blocks of 1 MiB.
type disk struct {
	b       []byte
	logical int64
	size    int64
}

var (
	logID   = [16]byte{1, 2, 3, 4}
	childID = [16]byte{8}
	dataID  = [16]byte{9, 9, 9, 9, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}
	batAt   = int64(3 * mib)
	metaAt  = int64(2 * mib)
	logAt   = int64(1 * mib)
	firstAt = int64(4 * mib) // of the payload
)

func seal(b []byte, at int) {
	clear(b[at : at+4])
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func utf(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// build makes a disk of n blocks; states gives the entry of each.
func build(n int64, logical uint32, parent string, entries map[int64]uint64) *disk {
	le := binary.LittleEndian
	d := &disk{b: make([]byte, firstAt+4*mib), logical: int64(logical), size: n*mib - 8192}
	copy(d.b, Magic)
	copy(d.b[8:], utf("made for a test"))
	for i, at := range []int{header1, header2} {
		h := d.b[at : at+headSize]
		copy(h, "head")
		le.PutUint64(h[8:], uint64(7+i))
		copy(h[32:], dataID[:])
		if parent != "" {
			copy(h[32:], childID[:])
		}
		le.PutUint16(h[66:], 1)
		le.PutUint32(h[68:], mib)
		le.PutUint64(h[72:], uint64(logAt))
		seal(h, 4)
	}
	for _, at := range []int{regions1, regions2} {
		r := d.b[at : at+regiSize]
		copy(r, "regi")
		le.PutUint32(r[8:], 2)
		for i, x := range []struct {
			id [16]byte
			at int64
		}{{batRegion, batAt}, {metadataRegion, metaAt}} {
			e := r[16+32*i:]
			copy(e, x.id[:])
			le.PutUint64(e[16:], uint64(x.at))
			le.PutUint32(e[24:], mib)
			le.PutUint32(e[28:], 1)
		}
		seal(r, 4)
	}
	d.metadata(logical, parent)
	for i, e := range entries {
		le.PutUint64(d.b[batAt+8*i:], e)
	}
	return d
}

func (d *disk) metadata(logical uint32, parent string) {
	le := binary.LittleEndian
	m := d.b[metaAt:]
	copy(m, "metadata")
	at, n := 64<<10, 0
	item := func(id string, v []byte) {
		e := m[32+32*n:]
		raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil {
			panic(err)
		}
		for i, k := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
			e[i] = raw[k]
		}
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(v)))
		le.PutUint32(e[24:], 4)
		copy(m[at:], v)
		at, n = at+len(v), n+1
		le.PutUint16(m[10:], uint16(n))
	}
	flags := uint32(0)
	if parent != "" {
		flags = 2
	}
	item(itemFile, le.AppendUint32(le.AppendUint32(nil, mib), flags))
	item(itemSize, le.AppendUint64(nil, uint64(d.size)))
	item(itemLogical, le.AppendUint32(nil, logical))
	item(itemPhysical, le.AppendUint32(nil, 4096))
	if parent == "" {
		return
	}
	keys := []string{"parent_linkage", "{09090909-0101-0202-0303-040405050606}", "relative_path", parent}
	v := append([]byte{0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a, 0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13}, make([]byte, 4+12*2)...)
	le.PutUint16(v[18:], 2)
	for i, k := range keys {
		e := v[20+12*(i/2):]
		le.PutUint32(e[4*(i%2):], uint32(len(v)))
		le.PutUint16(e[8+2*(i%2):], uint16(len(utf(k))))
		v = append(v, utf(k)...)
	}
	item(itemParent, v)
}

func (d *disk) open(o Options) (*Reader, error) {
	return Open(container.File{Name: "disk.vhdx", R: bytes.NewReader(d.b), Size: int64(len(d.b))}, o)
}

func fill(b []byte, seed byte) { rand.NewChaCha8([32]byte{seed}).Read(b) }

func media(t *testing.T, r *Reader) ([]byte, []container.Range) {
	t.Helper()
	b := make([]byte, r.Size())
	_, err := r.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

// A dynamic disk: two blocks that are stored in the other order, one of each
// state that means zeros.
func TestDynamic(t *testing.T) {
	for _, logical := range []uint32{512, 4096} {
		d := build(7, logical, "", map[int64]uint64{0: 5<<20 | fullyHere, 1: 4<<20 | fullyHere, 2: undefined, 3: zero, 4: 7<<20 | unmapped, 5: notPresent, 6: 7<<20 | unmapped95})
		fill(d.b[firstAt:], 1)
		r, err := d.open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, d.size)
		copy(want, d.b[firstAt+mib:firstAt+2*mib])
		copy(want[mib:], d.b[firstAt:firstAt+mib])
		got, bad := media(t, r)
		if !bytes.Equal(got, want) || len(bad) > 0 || len(r.Problems()) > 0 || r.Variant() != "dynamic" {
			t.Errorf("sectors of %d: equal %v, bad %v, %v", logical, bytes.Equal(got, want), bad, r.Problems())
		}
	}
}

func TestDamagedTables(t *testing.T) {
	base := func() *disk {
		d := build(2, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 1: 5<<20 | fullyHere})
		fill(d.b[firstAt:], 1)
		return d
	}
	for name, c := range map[string]struct {
		harm     func(d *disk)
		fails    bool
		problems int
		bad      int64
	}{
		"one header":          {func(d *disk) { d.b[header2+9] ^= 1 }, false, 1, 0},
		"both headers":        {func(d *disk) { d.b[header1+9] ^= 1; d.b[header2+9] ^= 1 }, true, 0, 0},
		"first region table":  {func(d *disk) { d.b[regions1+20] ^= 1 }, false, 1, 0},
		"both region tables":  {func(d *disk) { d.b[regions1+20] ^= 1; d.b[regions2+20] ^= 1 }, true, 0, 0},
		"metadata":            {func(d *disk) { d.b[metaAt] ^= 1 }, true, 0, 0},
		"block far away":      {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], 1<<40|fullyHere) }, false, 0, mib},
		"block in the header": {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], fullyHere) }, false, 1, mib},
		"block at 2^64":       {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], 1<<64-1<<20|fullyHere) }, false, 0, mib},
		"state 4":             {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], 4<<20|4) }, false, 0, mib},
		"shared, no parent":   {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], 4<<20|partlyHere) }, false, 0, mib},
		"second region table": {func(d *disk) { d.b[regions2+20] ^= 1 }, false, 1, 0},
		"two region tables":   {func(d *disk) { d.b[regions2+60] ^= 1; seal(d.b[regions2:][:regiSize], 4) }, false, 1, 0},
		"two headers":         {func(d *disk) { d.b[header2+8] = 7; d.b[header2+16] = 1; seal(d.b[header2:][:headSize], 4) }, false, 1, 0},
		"one place twice":     {func(d *disk) { copy(d.b[batAt:], d.b[batAt+8:batAt+16]) }, false, 1, 0},
		"block over the log":  {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt:], uint64(logAt)|fullyHere) }, false, 1, 0},
		"behind the medium":   {func(d *disk) { binary.LittleEndian.PutUint64(d.b[batAt+16:], 6<<20|fullyHere) }, false, 1, 0},
		"many far behind": {func(d *disk) {
			for i := range int64(1000) {
				binary.LittleEndian.PutUint64(d.b[batAt+8*(i+2):], 6<<20|fullyHere)
			}
		}, false, maxTold + 1, 0},
		"cut": {func(d *disk) { d.b = d.b[:firstAt+mib+512] }, false, 0, mib - 8192 - 512},
	} {
		d := base()
		c.harm(d)
		r, err := d.open(Options{})
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		_, bad := media(t, r)
		var n int64
		for _, x := range bad {
			n += x.Len
		}
		if len(r.Problems()) != c.problems || n != c.bad {
			t.Errorf("%s: problems %v, bad %v", name, r.Problems(), bad)
		}
	}
}

// A differencing disk: one block its own, one the parent's, one shared by
// sectors.
func TestDifferencing(t *testing.T) {
	parent := build(3, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 1: 5<<20 | fullyHere, 2: 6<<20 | fullyHere})
	fill(parent.b[firstAt:], 1)
	const ratio = 1 << 23 * 512 / mib
	child := build(3, 512, `..\parent.vhdx`, map[int64]uint64{0: 4<<20 | fullyHere, 1: notPresent, 2: 5<<20 | partlyHere, ratio: 6<<20 | bitmapHere})
	child.b = append(child.b, make([]byte, mib)...)
	fill(child.b[firstAt:firstAt+2*mib], 2)
	clear(child.b[firstAt+2*mib:])
	own := []int64{4096, 4097, 5000} // sectors of the chunk: the third block begins with 4096
	for _, s := range own {
		child.b[firstAt+2*mib+s/8] |= 1 << (s % 8)
	}
	want := append([]byte(nil), parent.b[firstAt:firstAt+3*mib-8192]...)
	copy(want, child.b[firstAt:firstAt+mib])
	for _, s := range own {
		at := (s - 4096) * 512
		copy(want[2*mib+at:][:512], child.b[firstAt+mib+at:])
	}
	var asked string
	r, err := child.open(Options{Open: func(name string) (container.File, error) {
		asked = name
		return container.File{Name: "parent.vhdx", R: bytes.NewReader(parent.b), Size: int64(len(parent.b))}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, bad := media(t, r)
	if !bytes.Equal(got, want) || len(bad) > 0 || asked != `..\parent.vhdx` || len(r.Problems()) > 0 {
		t.Errorf("equal %v, bad %v, asked for %q, %v", bytes.Equal(got, want), bad, asked, r.Problems())
	}
	// Without the parent, or with one that was written to since, its part is
	// not known.
	changed := append([]byte(nil), parent.b...)
	for _, at := range []int{header1, header2} {
		changed[at+33] ^= 1
		seal(changed[at:at+headSize], 4)
	}
	for name, open := range map[string]func(string) (container.File, error){
		"missing": func(string) (container.File, error) { return container.File{}, fs.ErrNotExist },
		"changed": func(string) (container.File, error) {
			return container.File{Name: "p", R: bytes.NewReader(changed), Size: int64(len(changed))}, nil
		},
	} {
		r, err := child.open(Options{Open: open})
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[container.Kind]int64{}
		for x := range r.Ranges(0, r.Size()) {
			kinds[x.Kind] += x.Len
		}
		if kinds[container.Data] != mib+3*512 || kinds[container.Unknown] != r.Size()-mib-3*512 || len(r.Problems()) != 1 {
			t.Errorf("%s: %v, %v", name, kinds, r.Problems())
		}
	}
}

// logEntry makes an entry of the log by section 2.3.1.
func logEntry(seq uint64, tail uint32, last int64, ops ...op) []byte {
	le := binary.LittleEndian
	b := make([]byte, sector)
	copy(b, "loge")
	le.PutUint32(b[12:], tail)
	le.PutUint64(b[16:], seq)
	le.PutUint32(b[24:], uint32(len(ops)))
	copy(b[32:], logID[:])
	le.PutUint64(b[56:], uint64(last))
	for i, x := range ops {
		d := b[64+32*i:]
		le.PutUint64(d[16:], uint64(x.at))
		le.PutUint64(d[24:], seq)
		if x.b == nil {
			copy(d, "zero")
			le.PutUint64(d[8:], uint64(x.size))
			continue
		}
		copy(d, "desc")
		copy(d[4:8], x.b[sector-4:])
		copy(d[8:16], x.b[:8])
		s := make([]byte, sector)
		copy(s, "data")
		le.PutUint32(s[4:], uint32(seq>>32))
		copy(s[8:], x.b[8:sector-4])
		le.PutUint32(s[sector-4:], uint32(seq))
		b = append(b, s...)
	}
	le.PutUint32(b[8:], uint32(len(b)))
	seal(b, 4)
	return b
}

// dirty makes a disk whose log names entries at places of it.
func dirty(entries map[int64][]byte) *disk {
	d := build(2, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 1: 5<<20 | fullyHere})
	fill(d.b[firstAt:], 1)
	for _, at := range []int{header1, header2} {
		copy(d.b[at+48:], logID[:])
		seal(d.b[at:at+headSize], 4)
	}
	for at, e := range entries {
		for i, c := range e { // the log goes on at its start
			d.b[logAt+(at+int64(i))%mib] = c
		}
	}
	return d
}

func TestLog(t *testing.T) {
	data := func(seed byte) []byte {
		b := make([]byte, sector)
		fill(b, seed)
		return b
	}
	a, b := data(10), data(11)
	write := func(at int64, b []byte) op { return op{firstAt + at, sector, b} }
	zeros := func(at, n int64) op { return op{firstAt + at, n, nil} }
	first := logEntry(100, 0, 0, write(0, a), write(8192, a))
	second := logEntry(101, 0, 0, write(8192, b), zeros(4096, 4096))
	torn := append([]byte(nil), second...)
	torn[5000] ^= 1
	other := append([]byte(nil), second...)
	other[33] ^= 1
	seal(other, 4)
	n := int64(len(first))
	descriptor := logEntry(5, 0, 0, write(0, a))
	copy(descriptor[64:], "nope")
	seal(descriptor, 4)
	for name, c := range map[string]struct {
		entries  map[int64][]byte
		replayed int
		doubt    string
		want     func(m []byte)
	}{
		"two entries": {map[int64][]byte{0: first, n: second}, 2, "", func(m []byte) {
			copy(m, a)
			clear(m[4096:8192])
			copy(m[8192:], b)
		}},
		"the second is torn": {map[int64][]byte{0: first, n: torn}, 1, "entry 101 of the log, behind the last one that was replayed, is not whole", func(m []byte) { copy(m, a); copy(m[8192:], a) }},
		"another log's":      {map[int64][]byte{0: first, n: other}, 1, "", func(m []byte) { copy(m, a); copy(m[8192:], a) }},
		"over the log's end": {map[int64][]byte{mib - sector: logEntry(7, mib-sector, 0, write(0, b))}, 1, "", func(m []byte) { copy(m, b) }},
		"an older one too": {map[int64][]byte{0: logEntry(3, 0, 0, write(0, b)), 1 << 19: logEntry(90, 1<<19, 0, write(0, a))}, 1, "",
			func(m []byte) { copy(m, a) }},
		"its beginning is gone": {map[int64][]byte{n: logEntry(101, 0, 0, write(0, b))}, 0, "no whole sequence", func([]byte) {}},
		"nothing sound":         {map[int64][]byte{0: torn}, 0, "no whole sequence", func([]byte) {}},
		"damaged in the middle": {map[int64][]byte{0: first, n: torn, 1 << 18: logEntry(102, 0, 0, write(0, b))}, 1, "entry 101", func(m []byte) { copy(m, a); copy(m[8192:], a) }},
		"gone in the middle":    {map[int64][]byte{0: first, n: make([]byte, n), 2 * n: logEntry(102, 0, 0, write(0, b))}, 1, "goes on behind entry 100", func(m []byte) { copy(m, a); copy(m[8192:], a) }},
		"zeros over data over zeros": {map[int64][]byte{0: logEntry(5, 0, 0, zeros(0, 1<<16), write(4096, a), zeros(8192, 8192), write(12288, b))}, 1, "", func(m []byte) {
			clear(m[:1<<16])
			copy(m[4096:], a)
			copy(m[12288:], b)
		}},
		"behind the file":    {map[int64][]byte{0: logEntry(5, 0, 0, zeros(1<<40, 4096))}, 0, "the log changes 4096 bytes at 0x10000400000", func([]byte) {}},
		"not at a sector":    {map[int64][]byte{0: logEntry(5, 0, 0, write(512, a))}, 0, "no whole sequence", func([]byte) {}},
		"2^63 zeros":         {map[int64][]byte{0: logEntry(5, 0, 0, zeros(0, 1<<62), zeros(0, -1<<62))}, 0, "the log changes", func([]byte) {}},
		"a file that grows":  {map[int64][]byte{0: logEntry(5, 0, 1<<30, write(0, a))}, 1, "the log says that the file has 1073741824 bytes", func(m []byte) { copy(m, a) }},
		"a file of 2^62":     {map[int64][]byte{0: logEntry(5, 0, 1<<62, write(0, a))}, 1, "the log says", func(m []byte) { copy(m, a) }},
		"another descriptor": {map[int64][]byte{0: descriptor}, 0, "no whole sequence", func([]byte) {}},
	} {
		d := dirty(c.entries)
		r, err := d.open(Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		want := append([]byte(nil), d.b[firstAt:firstAt+2*mib-8192]...)
		c.want(want)
		got, bad := media(t, r)
		if !bytes.Equal(got, want) || len(bad) > 0 || r.Replayed != c.replayed {
			t.Errorf("%s: equal %v, bad %v, %d replayed", name, bytes.Equal(got, want), bad, r.Replayed)
		}
		notes, doubts := 0, ""
		for _, p := range r.Problems() {
			if p.Note {
				notes++
			} else {
				doubts += p.What
			}
		}
		if notes != min(c.replayed, 1) || !strings.Contains(doubts, c.doubt) || c.doubt == "" && doubts != "" {
			t.Errorf("%s: %v", name, r.Problems())
		}
	}
}

// A prefix of a disk gives what it has; what it lacks is a range.
func TestTruncated(t *testing.T) {
	d := build(3, 512, "", map[int64]uint64{0: 5<<20 | fullyHere, 1: 4<<20 | fullyHere, 2: zero})
	fill(d.b[firstAt:], 1)
	whole, err := d.open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := media(t, whole)
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		cut := *d
		cut.b = d.b[:r.IntN(len(d.b))]
		x, err := cut.open(Options{})
		if err != nil {
			continue
		}
		got, bad := media(t, x)
		for _, b := range bad {
			copy(got[b.Off:b.Off+b.Len], want[b.Off:])
		}
		if !bytes.Equal(got, want) {
			t.Errorf("cut at %d: loss is silent", len(cut.b))
		}
	}
}

// The input changes eight bytes at each of some places of a disk; then the
// checksums are put right, so that it gets behind them.
func FuzzOpen(f *testing.F) {
	_, child, _ := shared()
	bases := []*disk{build(3, 512, "", map[int64]uint64{0: 4<<20 | fullyHere}), child, build(3, 4096, "", map[int64]uint64{1: 4<<20 | fullyHere}),
		dirty(map[int64][]byte{0: logEntry(5, 0, 0, op{firstAt, sector, make([]byte, sector)}), 8192: logEntry(6, 0, 0, op{firstAt, 1 << 14, nil})})}
	for i := range bases {
		for _, at := range []int64{header1 + 64, header1 + 72, regions1 + 32, metaAt + 8, metaAt + 48, metaAt + 64<<10, batAt, batAt + 8*4096, logAt + 8, logAt + 80, logAt + 8192 + 64, firstAt + mib} {
			f.Add(byte(i), binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(at)), 1<<40+7))
		}
	}
	f.Fuzz(func(t *testing.T, base byte, changes []byte) {
		d := disk{b: bytes.Clone(bases[int(base)%len(bases)].b)}
		for ; len(changes) >= 12; changes = changes[12:] {
			copy(d.b[int(binary.LittleEndian.Uint32(changes))%len(d.b):], changes[4:12])
		}
		for _, at := range []int{header1, header2} {
			seal(d.b[at:at+headSize], 4)
		}
		seal(d.b[regions1:regions1+regiSize], 4)
		for at := logAt; at < logAt+mib; at += sector {
			if n := int64(binary.LittleEndian.Uint32(d.b[at+8:])); string(d.b[at:at+4]) == "loge" && n >= sector && n <= logAt+mib-at {
				seal(d.b[at:at+n], 4)
			}
		}
		opened := 0
		r, err := d.open(Options{Open: func(string) (container.File, error) {
			opened++
			return container.File{R: bytes.NewReader(d.b), Size: int64(len(d.b))}, nil
		}})
		if opened > 3*MaxParents {
			t.Fatalf("%d parents opened", opened)
		}
		if err != nil {
			return
		}
		p := make([]byte, 3*mib/2)
		r.ReadAt(p, 0)
		r.ReadAt(p[:1000], max(r.Size()-1000, 0))
		n := 0
		for range r.Ranges(0, r.Size()) {
			if n++; n > 1000 {
				break
			}
		}
		r.Fields()
		r.Problems()
	})
}

func BenchmarkRead(b *testing.B) {
	d := build(3, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 1: 5<<20 | fullyHere})
	r, err := d.open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		r.ReadAt(p, 12345)
	}
}
