package appcompat

import (
	"bytes"
	"iter"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Layout names the form of a cache, by the Windows that writes it.
type Layout int

// The layouts. XP has 32-bit entries only; its 64-bit edition is of 2003.
const (
	XP         Layout = iota + 1
	Server2003        // 2003, and Vista and 2008, whose entries differ in what one number means
	Windows7
	Windows8
	Windows81
	Windows10
)

var layoutNames = [...]string{"unknown", "XP", "2003 to Vista", "7", "8", "8.1", "10 or 11"}

func (l Layout) String() string {
	if l < 0 || int(l) >= len(layoutNames) {
		l = 0
	}
	return layoutNames[l]
}

// Headers and entries, in bytes.
const (
	xpHeader, xpEntry, xpPath = 400, 552, 528
	xpMax                     = 96
	maxEntries                = 1 << 16 // no Windows keeps more than 1,024
)

// Entry is one file that the engine looked at.
type Entry struct {
	Offset   int64 // in the value
	Position int   // 0 is the first entry of the value
	// Recency is the rank in the list of the cache's own order: on XP, the
	// list in its header; -1 there for an entry that it does not name. From
	// 2003 on it is Position.
	Recency  int
	Path     string
	Modified uint64 // FILETIME of the file's last write, as the engine saw it
	Updated  uint64 // XP: FILETIME of the entry's last update, else 0
	// Size is the file's size on XP and in some caches of 2003; see HasSize.
	Size        uint64
	HasSize     bool
	InsertFlags uint32 // 2003 or Vista to 8.1; 0 elsewhere
	ShimFlags   uint32
	HasFlags    bool
	Package     string // 8 and 8.1: package of a store application
	Data        []byte // 7 and later: what the engine keeps for itself
}

// Cache is the value of a SYSTEM hive.
type Cache struct {
	Layout   Layout
	Wide     bool // written by a 64-bit Windows (2003 to 7)
	Declared int  // number of entries as the header says; -1 where it does not
	data     []byte
	start    int
}

// Parse recognises the layout of a cache.
func Parse(data []byte) (*Cache, error) {
	c := cursor.New(data)
	sig, second, third := c.U32("signature of the cache"), c.U32("number of entries"), uint32(0)
	ca := &Cache{data: data, Declared: -1}
	if c.Err() != nil {
		return nil, c.Err()
	}
	switch {
	case sig == 0xDEADBEEF:
		third = c.U32("number of entries")
		ca.Layout, ca.start, ca.Declared = XP, xpHeader, int(min(third, maxEntries))
	case sig == 0xBADC0FFE:
		ca.Layout, ca.start, ca.Declared = Server2003, 8, int(min(second, maxEntries))
		ca.Wide = wide(data, ca.start)
	case sig == 0xBADC0FEE:
		ca.Layout, ca.start, ca.Declared = Windows7, 128, int(min(second, maxEntries))
		ca.Wide = wide(data, ca.start)
	case at(data, 128, "00ts"):
		ca.Layout, ca.start = Windows8, 128
	case at(data, 128, "10ts"):
		ca.Layout, ca.start = Windows81, 128
	case (sig == 48 || sig == 52) && at(data, int(sig), "10ts"):
		ca.Layout, ca.start = Windows10, int(sig)
	case (sig == 48 || sig == 52) && len(data) == int(sig):
		ca.Layout, ca.start = Windows10, len(data) // a cache without an entry
	case sig == 128 && len(data) == 128:
		ca.Layout, ca.start = Windows8, len(data)
	default:
		return nil, cursor.Errorf(0, "cache of an unknown layout: it begins with %#x", sig)
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	return ca, nil
}

func at(data []byte, off int, sig string) bool {
	return off+4 <= len(data) && string(data[off:off+4]) == sig
}

// wide tells whether the first entry has the padding that 64-bit pointers
// need: a 32-bit entry has the place of its path there, which is never 0.
func wide(data []byte, first int) bool {
	c := cursor.New(data)
	c.Seek(first+4, "first entry")
	return c.U32("first entry") == 0 && c.Err() == nil
}

// Entries yields the entries in the order of the value. An error belongs to
// one entry; where the next one can be found, the sequence goes on.
func (c *Cache) Entries() iter.Seq2[Entry, error] {
	switch c.Layout {
	case XP:
		return c.xp
	case Server2003, Windows7:
		return c.table
	}
	return c.chain
}

// xp reads the 96 places of fixed length.
func (c *Cache) xp(yield func(Entry, error) bool) {
	rank := map[uint32]int{}
	lru := cursor.New(c.data)
	lru.Seek(16, "list of recency")
	for i := range min(c.Declared, xpMax) {
		n := lru.U32("list of recency")
		if _, twice := rank[n]; lru.Err() == nil && !twice {
			rank[n] = i
		}
	}
	for i := range c.Declared {
		off := xpHeader + i*xpEntry
		if off >= len(c.data) {
			yield(Entry{}, cursor.Errorf(int64(len(c.data)), "cache: %d entries declared, %d are there", c.Declared, i))
			return
		}
		b := c.data[off:min(off+xpEntry, len(c.data))]
		r := cursor.At(b, int64(off))
		e := Entry{Offset: int64(off), Position: i, Recency: -1}
		if n, ok := rank[uint32(i)]; ok {
			e.Recency = n
		}
		e.Path = utf16.CString(r.Take(xpPath, "path"))
		e.Modified, e.Size, e.Updated = r.U64("time of the file"), r.U64("size of the file"), r.U64("time of the entry")
		e.HasSize = true
		if !yield(e, r.Err()) || r.Err() != nil {
			return
		}
	}
}

// table reads entries of fixed length whose paths lie behind them.
func (c *Cache) table(yield func(Entry, error) bool) {
	size := map[bool]map[Layout]int{false: {Server2003: 24, Windows7: 32}, true: {Server2003: 32, Windows7: 48}}[c.Wide][c.Layout]
	sizes := c.Layout == Server2003 && c.hasSizes(size)
	for i := range c.Declared {
		off := c.start + i*size
		r := cursor.At(c.data[min(off, len(c.data)):], int64(off))
		e := Entry{Offset: int64(off), Position: i, Recency: i}
		n := int(r.U16("length of a path"))
		r.Skip(2, "room of a path")
		word := func(what string) uint64 {
			if c.Wide {
				return r.U64(what)
			}
			return uint64(r.U32(what))
		}
		if c.Wide {
			r.Skip(4, "padding")
		}
		path := word("place of a path")
		e.Modified = r.U64("time of the file")
		e.InsertFlags, e.ShimFlags = r.U32("insertion flags"), r.U32("shim flags")
		e.HasFlags = !sizes
		if sizes {
			e.Size, e.HasSize = uint64(e.InsertFlags)|uint64(e.ShimFlags)<<32, true
			e.InsertFlags, e.ShimFlags = 0, 0
		}
		var dataLen, dataAt uint64
		if c.Layout == Windows7 {
			dataLen, dataAt = word("size of the data"), word("place of the data")
		}
		if r.Err() != nil {
			yield(Entry{}, cursor.Errorf(int64(min(off, len(c.data))), "cache: %d entries declared, %d are there", c.Declared, i))
			return
		}
		p := cursor.New(c.data)
		p.Seek(int(min(path, 1<<31-1)), "place of a path")
		e.Path = utf16.String(p.Take(n, "path"))
		if dataLen > 0 {
			p.Seek(int(min(dataAt, 1<<31-1)), "place of the data")
			e.Data = p.Take(int(min(dataLen, 1<<31-1)), "data")
		}
		if !yield(e, p.Err()) {
			return
		}
	}
}

// hasSizes tells 2003 from Vista, which share a signature: 2003 keeps the
// file's size where Vista keeps flags, of which only the lowest bits are used.
func (c *Cache) hasSizes(size int) bool {
	at := size - 8
	for i := range c.Declared {
		r := cursor.New(c.data)
		r.Seek(c.start+i*size+at, "entry")
		if lo := r.U32("entry"); r.Err() == nil && lo > 0xFFFF {
			return true
		}
	}
	return false
}

// chain reads entries that follow each other, each with a signature and its
// own length.
func (c *Cache) chain(yield func(Entry, error) bool) {
	sig := "10ts"
	if c.Layout == Windows8 {
		sig = "00ts"
	}
	for i, off := 0, c.start; off < len(c.data); i++ {
		r := cursor.At(c.data[off:], int64(off))
		found := r.Take(4, "entry")
		r.Skip(4, "checksum of an entry")
		size := r.U32("size of an entry")
		body := r.Take(int(min(size, 1<<30)), "entry")
		var e Entry
		err := r.Err()
		switch {
		case string(found) != sig && len(bytes.TrimLeft(c.data[off:], "\x00")) == 0:
			return // the value is larger than its entries
		case len(found) == 4 && string(found) != sig:
			err = cursor.Errorf(int64(off), "entry: signature %s expected, found %q", sig, found)
		case err == nil:
			e, err = c.link(body, off+12)
		}
		e.Offset, e.Position, e.Recency = int64(off), i, i
		if !yield(e, err) {
			return
		}
		next := off + 12 + len(body)
		if body == nil || string(found) != sig {
			n := bytes.Index(c.data[off+1:], []byte(sig))
			if n < 0 {
				return
			}
			next = off + 1 + n
		}
		off = next
	}
}

// link reads the body of one entry of 8 and later. Entries of 8 come with and
// without a package (the former is what Windows writes, the latter is found in
// published samples); only one reading fills the body exactly.
func (c *Cache) link(body []byte, off int) (Entry, error) {
	e, left, err := c.linkAs(body, off, c.Layout != Windows10)
	if c.Layout == Windows8 && (err != nil || left != 0) {
		if without, left, err := c.linkAs(body, off, false); err == nil && left == 0 {
			return without, nil
		}
	}
	return e, err
}

func (c *Cache) linkAs(body []byte, off int, withPackage bool) (Entry, int, error) {
	r := cursor.At(body, int64(off))
	var e Entry
	n := r.U16("length of a path")
	e.Path = utf16.String(r.Take(int(n), "path"))
	if withPackage {
		n = r.U16("length of a package")
		e.Package = utf16.String(r.Take(int(n), "package"))
	}
	if c.Layout != Windows10 {
		e.InsertFlags, e.ShimFlags, e.HasFlags = r.U32("insertion flags"), r.U32("shim flags"), true
	}
	e.Modified = r.U64("time of the file")
	size := r.U32("size of the data")
	e.Data = r.Take(int(min(size, 1<<30)), "data")
	return e, r.Left(), r.Err()
}
