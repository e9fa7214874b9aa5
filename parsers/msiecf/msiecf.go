// Package msiecf reads the cache files of Internet Explorer up to version 9:
// index.dat of its history, its cache and its cookies.
//
// Read: version 5.2, records URL, REDR and LEAK in allocated blocks, and what
// is left of such records in free blocks. Source: libmsiecf, "MSIE Cache File
// (index.dat) format". Not read: version 4.7 (Internet Explorer 4), the hash
// table, which only finds records.
//
// What a record's two times mean depends on the file (history, daily history,
// cache), which the record's address tells; that is for the caller.
package msiecf

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
)

const (
	blockSize  = 0x80
	bitmap     = 0x250
	blockArea  = 0x4000
	maxDirs    = 32
	maxBlocks  = (blockArea - bitmap) * 8
	maxPerItem = 1024 // blocks of one record: 128 KiB
)

// ErrVersion says that the version of the file is not read.
var ErrVersion = errors.New("version of the cache file is not read")

// Kind is a record's signature.
type Kind string

// The kinds of records.
const (
	URL      Kind = "URL"
	Redirect Kind = "REDR"
	Leak     Kind = "LEAK" // a cached file that could not be deleted
)

// Item is one record. Times are FILETIME.
type Item struct {
	Kind      Kind
	Off       int64
	Length    int64
	Recovered bool // in free blocks
	Partial   bool // its last blocks were given to another record
	Primary   uint64
	Secondary uint64
	Expires   uint64 // to two seconds
	Checked   uint64 // the same
	Size      uint64 // of the cached file
	Hits      uint32
	Flags     uint32
	Location  string // the address, with what stands before it
	File      string // name of the cached file
	Dir       string // its folder
	DirIndex  uint8
	Data      []byte // headers of the answer, or what the history keeps
}

// File is a cache file.
type File struct {
	Version   string
	Size      int64  // as its header says
	Blocks    uint32 // of 128 bytes
	Allocated uint32
	Dirs      []string
	Damage    []error

	b     []byte
	first int // block that may hold a record
}

// Is tells whether the first bytes are those of a cache file.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte("Client UrlCache MMF Ver ")) }

// Parse reads the header of a whole file.
func Parse(b []byte) (*File, error) {
	if !Is(b) {
		return nil, cursor.Errorf(0, "signature: no cache file of Internet Explorer")
	}
	c := cursor.New(b)
	c.Skip(24, "signature")
	version := c.Take(4, "version")
	f := &File{b: b, Size: int64(c.U32("file size"))}
	hash := int64(c.U32("first hash table"))
	f.Blocks, f.Allocated = c.U32("blocks"), c.U32("allocated blocks")
	c.Seek(72, "folders")
	n := c.U32("number of folders")
	if c.Err() != nil {
		return nil, c.Err()
	}
	// What lies before the first hash table is set apart and holds no records.
	if hash >= blockArea && hash < int64(len(b)) {
		f.first = int(hash-blockArea) / blockSize
	}
	if f.Version = string(bytes.TrimRight(version, "\x00")); f.Version != "5.2" {
		return nil, fmt.Errorf("%w: %q", ErrVersion, f.Version)
	}
	if n > maxDirs {
		f.Damage = append(f.Damage, cursor.Errorf(72, "%d folders", n))
		n = 0
	}
	for range n {
		c.Skip(4, "files in the folder")
		f.Dirs = append(f.Dirs, text(c.Take(8, "name of the folder")))
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if f.Size > int64(len(b)) {
		f.Damage = append(f.Damage, cursor.Errorf(int64(len(b)), "%d bytes, the header says %d", len(b), f.Size))
	}
	if f.Blocks > maxBlocks || int64(f.Blocks)*blockSize+blockArea > f.Size {
		f.Damage = append(f.Damage, cursor.Errorf(36, "%d blocks in a file of %d bytes", f.Blocks, f.Size))
	}
	return f, nil
}

// allocated tells whether a block is in use.
func (f *File) allocated(n int) bool {
	at := bitmap + n/8
	return at < blockArea && at < len(f.b) && f.b[at]>>(n%8)&1 == 1
}

// Items gives the records in the order of the file. An error belongs to one
// record or to one run of blocks.
func (f *File) Items() iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		blocks := min(int(min(f.Blocks, maxBlocks)), (len(f.b)-blockArea)/blockSize)
		lost := -1 // first block in use that no record holds

		flush := func(end int) bool {
			if lost < 0 {
				return true
			}
			from := lost
			lost = -1
			return yield(Item{}, cursor.Errorf(int64(blockArea+from*blockSize), "%d blocks in use hold no record that is known", end-from))
		}
		for n := 0; n < blocks; {
			used := f.allocated(n)
			size := f.blocksOf(n)
			if size == 0 {
				if used && lost < 0 && n >= f.first {
					lost = n
				}
				if !used && !flush(n) {
					return
				}
				n++
				continue
			}
			if !flush(n) {
				return
			}
			item, next, err := f.item(n, size, blocks, used)
			if item.Kind != "" || err != nil {
				if !yield(item, err) {
					return
				}
			}
			n = next
		}
		flush(blocks)
	}
}

// blocksOf is the number of blocks of a record that begins here, or 0.
func (f *File) blocksOf(n int) int {
	c := cursor.At(f.b, 0)
	c.Seek(blockArea+n*blockSize, "block")
	switch string(c.Take(4, "signature")) {
	case "URL ", "REDR", "LEAK", "HASH":
		return int(max(1, c.U32("blocks")))
	}
	return 0
}

// item reads a record; next is the block behind it.
func (f *File) item(n, size, blocks int, used bool) (item Item, next int, err error) {
	at := blockArea + n*blockSize
	signature := string(bytes.TrimRight(f.b[at:at+4], " "))
	end := n
	for end < n+size && end < blocks && (end == n || f.allocated(end) == used) {
		end++
	}
	whole := end == n+size
	if signature == "HASH" {
		if !whole && used {
			err = cursor.Errorf(int64(at), "hash table of %d blocks, %d are there", size, end-n)
		}
		if !used {
			return item, n + 1, nil
		}
		return item, end, err
	}
	if used && (!whole || size > maxPerItem) {
		return Item{}, max(n+1, min(end, n+maxPerItem)), cursor.Errorf(int64(at), "%s record of %d blocks, %d are there", signature, size, end-n)
	}
	if size > maxPerItem {
		return Item{}, n + 1, nil
	}
	b := f.b[at : blockArea+end*blockSize]
	item = Item{Kind: Kind(signature), Off: int64(at), Length: int64(len(b)), Recovered: !used, Partial: !whole}
	if err = f.decode(&item, b); err != nil && !used { // a remnant that makes no sense is none
		return Item{}, n + 1, nil
	}
	return item, end, cursor.AddBase(err, int64(at))
}

func (f *File) decode(item *Item, b []byte) error {
	c := cursor.New(b)
	c.Skip(8, "signature and size")
	if item.Kind == Redirect {
		c.Skip(8, "hash")
		item.Location = text(c.Take(c.Left(), "address"))
		return c.Err()
	}
	item.Secondary, item.Primary = c.U64("secondary time"), c.U64("primary time")
	item.Expires = dos(c)
	c.Skip(4, "unknown")
	item.Size = uint64(c.U32("size"))
	c.Seek(52, "place of the address")
	location := c.U32("place of the address")
	item.DirIndex = c.U8("folder")
	c.Skip(3, "versions")
	file := c.U32("place of the file's name")
	item.Flags = c.U32("flags")
	data, size := c.U32("place of the data"), c.U32("size of the data")
	c.Skip(4, "unknown")
	item.Checked = dos(c)
	item.Hits = c.U32("hits")
	if c.Err() != nil {
		return c.Err()
	}
	if int(item.DirIndex) < len(f.Dirs) {
		item.Dir = f.Dirs[item.DirIndex]
	}
	if item.Kind == Leak { // only the file's name is kept, the rest is filled
		item.Primary, item.Secondary, item.Expires, item.Checked, item.Hits, item.Flags = 0, 0, 0, 0, 0, 0
		item.File = part(b, file)
		return item.check(b, file)
	}
	item.Location, item.File = part(b, location), part(b, file)
	if data != 0 && int64(data) <= int64(len(b)) {
		item.Data = b[data:min(int64(len(b)), int64(data)+int64(size))]
	}
	if item.Partial {
		return nil
	}
	if data != 0 && int64(data)+int64(size) > int64(len(b)) {
		return cursor.Errorf(68, "data at %d of %d bytes in a record of %d", data, size, len(b))
	}
	return errors.Join(item.check(b, location), item.check(b, file))
}

// part is the text at a place of the record, "" where there is none.
func part(b []byte, at uint32) string {
	if at == 0 || int64(at) >= int64(len(b)) {
		return ""
	}
	return text(b[at:])
}

func (item *Item) check(b []byte, at uint32) error {
	if int64(at) >= int64(len(b)) && !item.Partial {
		return cursor.Errorf(52, "text at %d in a record of %d bytes", at, len(b))
	}
	return nil
}

func dos(c *cursor.Cursor) uint64 {
	date := c.U16("date")
	return filetime.FromDOS(date, c.U16("time"))
}

// text reads up to a zero: UTF-8 where it is such, else the code page that the
// bytes suggest.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	if utf8.Valid(b) {
		return string(b)
	}
	return codepage.Decode(b, codepage.Presumed(b))
}
