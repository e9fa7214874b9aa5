package vhd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

const (
	footerSize  = 512
	headerSize  = 1024
	footerMagic = "conectix"
	headerMagic = "cxsparse"
	noBlock     = 0xFFFFFFFF
)

// The types of disk.
const (
	Fixed        = 2
	Dynamic      = 3
	Differencing = 4
)

// Footer is what ends every disk.
type Footer struct {
	Features       uint32
	Version        uint32
	DataOffset     uint64 // of the header, where there is one
	Seconds        uint32 // since 2000, UTC
	CreatorApp     string
	CreatorVersion uint32
	CreatorHost    string
	OriginalSize   uint64
	CurrentSize    uint64
	Cylinders      uint16
	Heads, Sectors uint8
	Type           uint32
	UniqueID       [16]byte
	SavedState     bool
}

// Identify tells by a file's first and last bytes (512) whether it is a VHD.
func Identify(head, tail []byte) bool {
	return bytes.HasPrefix(head, []byte(footerMagic)) && len(head) >= footerSize ||
		bytes.HasPrefix(tail, []byte(footerMagic)) || len(tail) > 0 && bytes.HasPrefix(tail[1:], []byte(footerMagic))
}

// sum is the ones' complement of the sum of all bytes but the checksum's own.
func sum(b []byte, at int) uint32 {
	var n uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			n += uint32(c)
		}
	}
	return ^n
}

// parseFooter decodes 511 or 512 bytes. sound tells whether its checksum is
// right.
func parseFooter(b []byte) (f *Footer, sound bool, err error) {
	c := cursor.New(b)
	if magic := c.Take(8, "cookie"); c.Err() == nil && string(magic) != footerMagic {
		return nil, false, cursor.Errorf(0, "footer: cookie % x", magic)
	}
	f = &Footer{Features: c.U32BE("features"), Version: c.U32BE("version"), DataOffset: c.U64BE("data offset"), Seconds: c.U32BE("time")}
	f.CreatorApp = string(c.Take(4, "creator"))
	f.CreatorVersion = c.U32BE("creator's version")
	f.CreatorHost = string(c.Take(4, "creator's host"))
	f.OriginalSize, f.CurrentSize = c.U64BE("original size"), c.U64BE("current size")
	f.Cylinders, f.Heads, f.Sectors = c.U16BE("cylinders"), c.U8("heads"), c.U8("sectors")
	f.Type = c.U32BE("type")
	want := c.U32BE("checksum")
	copy(f.UniqueID[:], c.Take(16, "identifier"))
	f.SavedState = c.U8("saved state") != 0
	if c.Err() != nil {
		return nil, false, c.Err()
	}
	return f, want == sum(b, 64), nil
}

// footerAt reads the footer, or its copy, at a place of the file.
func footerAt(f container.File, at int64) (ft *Footer, b []byte, sound bool, err error) {
	if at < 0 || f.Size-at < footerSize-1 {
		return nil, nil, false, io.ErrUnexpectedEOF
	}
	b = make([]byte, min(footerSize, f.Size-at))
	if n, err := f.R.ReadAt(b, at); n < len(b) {
		return nil, nil, false, cursor.Errorf(at, "footer: %w", err)
	}
	ft, sound, err = parseFooter(b)
	return ft, b, sound, cursor.AddBase(err, at)
}

// readFooter finds the footer, by its copy at the start too, and tells where
// the one at the end begins: at the file's end where there is none.
func readFooter(f container.File, problems *container.Problems) (*Footer, int64, error) {
	end := f.Size - footerSize
	ft, b, sound, err := footerAt(f, end)
	if err != nil {
		var err2 error
		if ft, b, sound, err2 = footerAt(f, end+1); err2 == nil {
			end, err = end+1, nil
		}
	}
	if err != nil {
		end = f.Size
	}
	if ft != nil && ft.Type == Fixed && (sound || ft.CurrentSize == uint64(end)) { // has no copy: what is at the start is content
		checksum(sound, end, problems)
		return ft, end, nil
	}
	at := end
	same, b2, sound2, err2 := footerAt(f, 0)
	if err2 == nil && same.Type == Fixed && end > 0 {
		err2 = cursor.Errorf(60, "disk type %d", same.Type)
	}
	switch {
	case err2 != nil && ft == nil:
		return nil, 0, fmt.Errorf("no footer: %w", err)
	case err2 != nil:
		problems.Reportf(0, "the copy of the footer: %v", err2)
	case ft == nil || !sound && sound2:
		if err == nil {
			err = errors.New("its checksum is wrong")
		}
		problems.Reportf(end, "the footer at the end of the file: %v; its copy at the start is used", err)
		ft, sound, at = same, sound2, 0
	case !bytes.Equal(b, b2[:len(b)]):
		problems.Reportf(0, "the copy of the footer is not like the footer")
	}
	checksum(sound, at, problems)
	return ft, end, nil
}

func checksum(sound bool, at int64, problems *container.Problems) {
	if !sound {
		problems.Reportf(at, "footer: its checksum is wrong")
	}
}

// header is that of dynamic and differencing disks.
type header struct {
	tableAt    int64
	entries    int64 // of the table
	block      int64
	parentID   [16]byte
	parentTime uint32   // when the parent was written last, in seconds since 2000
	parents    []string // names of the parent, the relative one first
}

func readHeader(f container.File, at uint64, problems *container.Problems) (*header, error) {
	if at > uint64(max(f.Size-headerSize, 0)) {
		return nil, cursor.Errorf(16, "a header at %#x, in a file of %d bytes", at, f.Size)
	}
	b := make([]byte, headerSize)
	if n, err := f.R.ReadAt(b, int64(at)); n < len(b) {
		return nil, fmt.Errorf("header: %w", err)
	}
	c := cursor.At(b, int64(at))
	if magic := c.Take(8, "cookie"); string(magic) != headerMagic {
		return nil, cursor.Errorf(int64(at), "header: cookie % x", magic)
	}
	c.U64BE("data offset")
	h := &header{tableAt: int64(min(c.U64BE("table offset"), 1<<62))}
	version := c.U32BE("version")
	h.entries, h.block = int64(c.U32BE("entries")), int64(c.U32BE("block size"))
	want := c.U32BE("checksum")
	copy(h.parentID[:], c.Take(16, "identifier of the parent"))
	h.parentTime = c.U32BE("time of the parent")
	if want != sum(b, 36) {
		problems.Reportf(int64(at), "header: its checksum is wrong")
	}
	if version>>16 != 1 {
		problems.Reportf(int64(at)+24, "header: version %#x", version)
	}
	switch {
	case h.block < 512 || h.block > MaxBlock || h.block&(h.block-1) != 0:
		return nil, cursor.Errorf(int64(at)+32, "blocks of %d bytes", h.block)
	case h.entries*4 > MaxTable:
		return nil, cursor.Errorf(int64(at)+28, "a table of %d blocks, limit %d", h.entries, MaxTable/4)
	}
	h.names(f, b, int64(at), problems)
	return h, nil
}

// names collects what the parent may be called: by the locators of Windows,
// relative then absolute, and by the name in the header.
func (h *header) names(f container.File, b []byte, at int64, problems *container.Problems) {
	var absolute []string
	for i := range 8 {
		c := cursor.At(b[576+24*i:], at+int64(576+24*i))
		platform := string(c.Take(4, "platform"))
		c.U32BE("space")
		n, off := int64(c.U32BE("length")), uint64(0)
		c.U32BE("reserved")
		off = c.U64BE("place")
		if platform != "W2ru" && platform != "W2ku" {
			continue
		}
		if n > maxLocator || off > uint64(f.Size) {
			problems.Reportf(at, "the parent's name: %d bytes at %#x", n, off)
			continue
		}
		name := make([]byte, n)
		if k, err := f.R.ReadAt(name, int64(off)); k < len(name) {
			problems.Reportf(int64(off), "the parent's name: %v", err)
			continue
		}
		s := text(name, binary.LittleEndian)
		if platform == "W2ru" {
			h.parents = append(h.parents, s)
		} else {
			absolute = append(absolute, s)
		}
	}
	h.parents = append(h.parents, absolute...)
	if s := text(b[64:576], binary.BigEndian); s != "" {
		h.parents = append(h.parents, s)
	}
}

// text is UTF-16 up to a NUL.
func text(b []byte, order binary.ByteOrder) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		if v := order.Uint16(b); v != 0 {
			u = append(u, v)
		} else {
			break
		}
	}
	return string(utf16.Decode(u))
}

// Time is when the disk was made or last changed, as its writer says.
func (f *Footer) Time() time.Time { return stamp(f.Seconds) }

func stamp(seconds uint32) time.Time {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// uuid is an identifier as people write it: its bytes in their order.
func uuid(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Variant names the type of disk.
func (f *Footer) Variant() string {
	switch f.Type {
	case Fixed:
		return "fixed"
	case Dynamic:
		return "dynamic"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("type %d", f.Type)
}

var errNoParent = errors.New("no other file can be opened")

func trim(s string) string { return strings.TrimRight(s, " \x00") }
