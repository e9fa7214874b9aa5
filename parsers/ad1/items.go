package ad1

import (
	"errors"
	"fmt"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

const itemHeader = 48

// item reads the item at an address. An address in it that cannot be is taken
// out and named in its hurt.
func (im *Image) item(addr int64) (Item, error) {
	it := Item{Addr: addr, Parent: -1}
	b := make([]byte, itemHeader)
	if err := readFull(im.s, b, addr); err != nil {
		return it, im.s.errorf(addr, "item: %w", err)
	}
	c := cursor.New(b)
	for _, p := range []*int64{&it.next, &it.child, &it.meta, &it.chunks, &it.Size} {
		v := c.U64("address")
		if v >= uint64(im.s.size()) && p != &it.Size || v > 1<<62 {
			it.hurt = im.s.errorf(addr+int64(c.Off())-8, "item: %#x in the place of an address or a size, the image ends at %#x", v, im.s.size())
			v = 0
		}
		*p = int64(v)
	}
	it.Type = c.U32("type")
	n := c.U32("length of the name")
	if n > MaxName {
		return it, im.s.errorf(addr+44, "item: name of %d bytes", n)
	}
	b = make([]byte, n+8)
	if err := readFull(im.s, b, addr+itemHeader); err != nil {
		return it, im.s.errorf(addr+itemHeader, "item: %w", err)
	}
	it.Name = string(b[:n])
	c = cursor.New(b[n:])
	it.parent = int64(c.U64("parent"))
	if it.Size == 0 && it.chunks != 0 && readFull(im.s, b[:8], it.chunks) == nil {
		if have := cursor.New(b).U64("chunks"); have != 0 {
			it.hurt = im.s.errorf(addr+32, "item: no bytes, but %d chunks", have)
		}
	}
	if err := im.room(it); err != nil {
		it.hurt = err
	}
	return it, nil
}

// walker goes through the items of an image.
type walker struct {
	im    *Image
	place map[int64]int // of the items that were met, by address
	hurt  bool
}

// walk goes along the links, and where one was damaged, once more from item to
// item as they stand.
func (im *Image) walk() {
	w := walker{im: im, place: map[int64]int{}}
	w.links(im.first, -1, 0)
	if w.hurt || w.gap() {
		w.line()
	}
}

// gap tells whether a list of siblings ends before the place of the next item:
// a link may have been lost there.
func (w *walker) gap() bool {
	for i, it := range w.im.items {
		if it.next != 0 || it.child != 0 {
			continue
		}
		end, err := w.im.end(it)
		if err != nil || end < w.im.s.size() && !w.atEnd(end) && (i+1 == len(w.im.items) || w.im.items[i+1].Addr != end) {
			return true
		}
	}
	return false
}

// add takes an item in; false where there are too many.
func (w *walker) add(it Item, parent int) bool {
	if len(w.im.items) >= MaxItems {
		w.im.report(it.Addr, "more than %d items: the rest is not read", MaxItems)
		return false
	}
	it.Parent = parent
	w.place[it.Addr] = len(w.im.items)
	w.im.items = append(w.im.items, it)
	return true
}

// links follows a list of siblings and what is below them.
func (w *walker) links(addr int64, parent, depth int) bool {
	for addr != 0 {
		if _, twice := w.place[addr]; twice {
			w.fail(addr, "an item is linked a second time")
			return true
		}
		it, err := w.im.item(addr)
		if err != nil {
			w.fail(addr, "%v", err)
			return true
		}
		if at := w.folder(parent); it.parent != at {
			w.fail(addr, "item %q says that its folder is at %#x, it is linked in the one at %#x", it.Name, it.parent, at)
			if !it.orderly() {
				return true // no item at all
			}
		}
		if it.hurt != nil {
			w.fail(addr, "%q: %v", it.Name, it.hurt)
		}
		if !w.add(it, parent) {
			return false
		}
		if it.child != 0 && depth >= MaxDepth {
			w.im.report(addr, "%q: more than %d folders deep: what is in it is not read", it.Name, MaxDepth)
		} else if it.child != 0 && !w.links(it.child, len(w.im.items)-1, depth+1) {
			return false
		}
		addr = it.next
	}
	return true
}

// folder is the address that the items in a folder give as their parent's.
func (w *walker) folder(parent int) int64 {
	if parent < 0 {
		return 0
	}
	return w.im.items[parent].Addr
}

func (w *walker) fail(addr int64, format string, args ...any) {
	w.hurt = true
	w.im.report(addr, format, args...)
}

// line goes from item to item: the next one stands behind the metadata of the
// last. It ends where there is none.
func (w *walker) line() {
	found := 0
	for addr := w.im.first; addr < w.im.s.size(); {
		it, err := w.im.item(addr)
		if err != nil || !w.plausible(it) {
			if w.hurt {
				w.im.report(addr, "no item here: those behind it are reached by their links only")
			}
			break
		}
		end, err := w.im.end(it)
		if _, have := w.place[addr]; !have {
			parent, known := w.place[it.parent]
			if !known {
				parent = -1
			}
			if !w.add(it, parent) {
				break
			}
			found++
		}
		if err != nil || end <= addr {
			if w.hurt {
				w.im.report(addr, "%q: no way from it to the next item: %v", it.Name, err)
			}
			break
		}
		addr = end
		if w.atEnd(addr) {
			break
		}
	}
	if found > 0 {
		w.im.report(w.im.first, "%d items were found by their place only, no link leads to them", found)
	}
}

// orderly tells an item from other bytes: what belongs to it stands behind it.
func (it *Item) orderly() bool {
	after := it.Addr + itemHeader + int64(len(it.Name)) + 8
	for _, p := range []int64{it.child, it.meta, it.chunks} {
		if p != 0 && p < after {
			return false
		}
	}
	return true
}

// plausible is orderly, and its folder stands before it.
func (w *walker) plausible(it Item) bool {
	_, known := w.place[it.parent]
	return it.orderly() && (it.parent == 0 || known || it.parent < it.Addr && it.parent >= w.im.first)
}

// atEnd tells the tables that stand behind the last item.
func (w *walker) atEnd(addr int64) bool {
	b := make([]byte, 8)
	return readFull(w.im.s, b, addr) == nil && (string(b) == "ATTRGUID" || string(b) == "LOCSGUID")
}

// end is the address behind all that belongs to an item.
func (im *Image) end(it Item) (int64, error) {
	end := it.Addr + itemHeader + int64(len(it.Name)) + 8
	if it.chunks != 0 && it.Size > 0 {
		_, to, err := im.chunkAt(it, im.chunkCount(it)-1)
		if err != nil {
			return 0, err
		}
		end = to
	}
	all, last, err := im.metadata(it)
	if len(all) > 0 {
		end = last
	}
	return end, err
}

// Meta is something that the image states of an item.
type Meta struct {
	Category, Key uint32
	Value         string
}

// Categories and keys whose meaning is certain.
const (
	Digests = 1 // category
	MD5     = 0x5001
	SHA1    = 0x5002
	Times   = 5 // category; values like "20170331T180231.189682"
)

// Metadata lists what is stated of item i, in order. With an error the list is
// what could be read.
func (im *Image) Metadata(i int) ([]Meta, error) {
	all, _, err := im.metadata(im.items[i])
	return all, err
}

// metadata reads the list of an item and gives the address behind it. Its
// records stand one behind the other, so the list has an end.
func (im *Image) metadata(it Item) (all []Meta, end int64, err error) {
	for addr := it.meta; addr != 0; {
		if len(all) >= maxMeta {
			return all, end, im.s.errorf(addr, "metadata: more than %d records", maxMeta)
		}
		b := make([]byte, 20)
		if err := readFull(im.s, b, addr); err != nil {
			return all, end, im.s.errorf(addr, "metadata: %w", err)
		}
		c := cursor.New(b)
		next := c.U64("next")
		m := Meta{Category: c.U32("category"), Key: c.U32("key")}
		n := c.U32("length")
		end = addr + 20 + int64(n)
		if n > MaxValue || end > im.s.size() {
			return all, end, im.s.errorf(addr+16, "metadata: value of %d bytes", n)
		}
		b = make([]byte, n)
		if err := readFull(im.s, b, addr+20); err != nil {
			return all, end, im.s.errorf(addr+20, "metadata: %w", err)
		}
		m.Value = string(b)
		all = append(all, m)
		if next != 0 && (next < uint64(end) || next >= uint64(im.s.size())) {
			return all, end, im.s.errorf(addr, "metadata: next record at %#x", next)
		}
		addr = int64(next)
	}
	return all, end, nil
}

// room tells whether the image has room for the chunk table that an item's size
// asks for.
func (im *Image) room(it Item) error {
	if it.chunks == 0 || it.Size == 0 || im.chunkCount(it) <= (im.s.size()-it.chunks)/8-2 {
		return nil
	}
	return im.s.errorf(it.Addr+32, "item: %d bytes in %d chunks, but the image ends before their table", it.Size, im.chunkCount(it))
}

func (im *Image) chunkCount(it Item) int64 { return (it.Size-1)/im.chunk + 1 }

// chunkAt gives the addresses of a chunk.
func (im *Image) chunkAt(it Item, n int64) (from, to int64, err error) {
	b := make([]byte, 8)
	if err := readFull(im.s, b, it.chunks); err != nil {
		return 0, 0, im.s.errorf(it.chunks, "chunk table: %w", err)
	}
	if have := cursor.New(b).U64("chunks"); have != uint64(im.chunkCount(it)) {
		return 0, 0, im.s.errorf(it.chunks, "chunk table: %d chunks, %d bytes need %d", have, it.Size, im.chunkCount(it))
	}
	b = make([]byte, 16)
	at := it.chunks + 8 + 8*n
	if at < it.chunks || at > im.s.size()-16 {
		return 0, 0, im.s.errorf(it.chunks, "chunk table: ends behind the image")
	}
	if err := readFull(im.s, b, at); err != nil {
		return 0, 0, im.s.errorf(at, "chunk table: %w", err)
	}
	c := cursor.New(b)
	x, y := c.U64("chunk"), c.U64("next chunk")
	if x >= y || y > uint64(im.s.size()) || y-x > uint64(2*im.chunk+1024) {
		return 0, 0, im.s.errorf(at, "chunk %d: from %#x to %#x", n, x, y)
	}
	return int64(x), int64(y), nil
}

// Content gives the bytes of item i.
func (im *Image) Content(i int) *container.Disk {
	it := im.items[i]
	return container.New(container.Layout{Size: it.Size, UnitSize: im.chunk, CacheBytes: 16 * im.chunk,
		Span: func(off, limit int64) container.Span {
			if err := im.room(it); err != nil {
				return container.Span{Len: limit, Kind: container.Corrupt, Err: err}
			}
			n, skip := off/im.chunk, off%im.chunk
			s := container.Span{Len: min(limit, im.chunk-skip), Kind: container.Data, Unit: n, Skip: skip}
			if it.chunks == 0 {
				return container.Span{Len: limit, Kind: container.Unknown, Err: im.s.errorf(it.Addr, "the image has no content of %q", it.Name)}
			}
			if im.s.whole {
				return s
			}
			if from, to, err := im.chunkAt(it, n); errors.Is(err, errMissing) || err == nil && !im.s.there(from, to) {
				s.Kind, s.Err = container.Unknown, fmt.Errorf("chunk %d: %w", n, errMissing)
			}
			return s
		},
		Decode: func(n int64, dst []byte) error { return im.decode(it, n, dst) }})
}

type decoder struct {
	z   inflate.Decoder
	buf []byte
}

func (im *Image) decode(it Item, n int64, dst []byte) error {
	from, to, err := im.chunkAt(it, n)
	if err != nil {
		return err
	}
	d := im.decoders.Get().(*decoder)
	defer im.decoders.Put(d)
	if d.buf == nil {
		d.buf = make([]byte, 2*im.chunk+1024)
	}
	src := d.buf[:to-from]
	if err := readFull(im.s, src, from); err != nil {
		return im.s.errorf(from, "chunk %d: %w", n, err)
	}
	got, _, err := d.z.Zlib(dst, src)
	if err != nil {
		return im.s.errorf(from, "chunk %d: %w", n, err)
	}
	if want := min(im.chunk, it.Size-n*im.chunk); int64(got) != want {
		return im.s.errorf(from, "chunk %d: inflates to %d bytes, expected %d", n, got, want)
	}
	return nil
}
