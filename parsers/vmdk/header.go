package vmdk

import (
	"errors"
	"fmt"
	"io"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// header is what a sparse extent says of itself, hosted or of ESX.
type header struct {
	esx      bool
	version  uint32
	flags    uint32
	capacity int64 // sectors
	grain    int64 // sectors of a grain
	perTable int64 // entries of a grain table
	gd       int64 // sector of the grain directory; atEnd where the footer has it
	copy     int64 // sector of its copy, 0 where there is none
	overhead int64 // sectors before the first grain

	descriptor, descriptorLen int64 // sectors, 0 where none is embedded
	compressed                bool
	unclean                   bool // the machine did not close it
}

const (
	hostedHeaderSize = 512
	esxHeaderSize    = 2048
	esxPerTable      = 4096
	hostedPerTable   = 512
	atEnd            = -1

	flagNewlines   = 1 << 0
	flagCopy       = 1 << 1
	flagZeroGrain  = 1 << 2 // grain table entry 1 is a grain of zeros
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17
	flagsKnown     = flagNewlines | flagCopy | flagZeroGrain | flagCompressed | flagMarkers
)

func (h *header) grainBytes() int64 { return h.grain * sectorSize }
func (h *header) grains() int64     { return (h.capacity + h.grain - 1) / h.grain }
func (h *header) tables() int64     { return (h.grains() + h.perTable - 1) / h.perTable }
func (h *header) markers() bool     { return h.flags&flagMarkers != 0 }
func (h *header) zeroGrain() bool   { return h.flags&flagZeroGrain != 0 }

// first is the lowest sector that can hold a grain.
func (h *header) first() uint32 {
	if h.esx {
		return esxHeaderSize / sectorSize
	}
	return 2
}

// readHeader reads the header of a sparse extent.
func readHeader(f container.File, report func(off int64, format string, args ...any)) (*header, error) {
	b := make([]byte, min(hostedHeaderSize, f.Size))
	if err := readFull(f.R, b, 0); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	switch Identify(b) {
	case Sparse:
		h, err := parseHosted(b, 0, report)
		if err == nil && h.gd == atEnd {
			h.footer(f, report)
		}
		return h, err
	case ESXSparse:
		b = make([]byte, min(esxHeaderSize, f.Size))
		if err := readFull(f.R, b, 0); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		return parseESX(b, report)
	case SESparse:
		return nil, fmt.Errorf("a SESPARSE extent %w", ErrUnsupported)
	}
	return nil, cursor.Errorf(0, "no sparse extent: begins with % x", b[:min(4, len(b))])
}

// parseHosted decodes the 512 bytes that begin at off: the header, or the
// footer of a stream.
func parseHosted(b []byte, off int64, report func(int64, string, ...any)) (*header, error) {
	c := cursor.At(b, off)
	c.Skip(4, "signature")
	h := &header{version: c.U32("version"), flags: c.U32("flags")}
	h.capacity = sectors(c, "capacity")
	h.grain = sectors(c, "grain size")
	h.descriptor = sectors(c, "descriptor's place")
	h.descriptorLen = sectors(c, "descriptor's size")
	h.perTable = int64(c.U32("entries of a grain table"))
	h.copy = sectors(c, "copy of the grain directory")
	if gd := c.U64("grain directory"); gd == 1<<64-1 {
		h.gd = atEnd
	} else if h.gd = int64(gd); gd > maxSectors {
		c.Fail("grain directory at sector %#x", gd)
	}
	h.overhead = sectors(c, "overhead")
	h.unclean = c.U8("unclean shutdown") != 0
	newlines := c.Take(4, "end of line characters")
	method := c.U16("compression method")
	c.Skip(433, "padding")
	if c.Err() != nil {
		return nil, c.Err()
	}
	if h.version < 1 || h.version > 3 {
		return nil, fmt.Errorf("VMDK version %d %w", h.version, ErrUnsupported)
	}
	if h.flags&flagCopy == 0 {
		h.copy = 0
	}
	if h.flags&^uint32(flagsKnown) != 0 {
		report(off+8, "header: unknown flags %#x", h.flags&^uint32(flagsKnown))
	}
	if h.perTable != hostedPerTable { // no disk has others
		report(off+44, "header: grain tables of %d entries, not of %d as all have", h.perTable, hostedPerTable)
		h.perTable = hostedPerTable
	}
	if string(newlines) != "\n \r\n" {
		report(off+73, "header: end of line characters are % x: the file was changed as if it were text", newlines)
	}
	h.compressed = h.flags&flagCompressed != 0
	if h.compressed && method != 1 {
		return nil, cursor.Errorf(off+77, "compression method %d", method)
	}
	if !h.compressed && method != 0 {
		report(off+8, "header: compression method %d, but no flag of compression", method)
		h.compressed = method == 1 && h.markers() // two say so, one does not
	}
	return h, h.check(off)
}

// parseESX decodes the header of a sparse extent of ESX.
func parseESX(b []byte, report func(int64, string, ...any)) (*header, error) {
	c := cursor.New(b)
	c.Skip(4, "signature")
	h := &header{esx: true, version: c.U32("version"), perTable: esxPerTable}
	if flags := c.U32("flags"); flags&^3 != 0 {
		report(8, "header: unknown flags %#x", flags)
	}
	h.capacity = int64(c.U32("capacity"))
	h.grain = int64(c.U32("grain size"))
	h.gd = int64(c.U32("grain directory"))
	entries := int64(c.U32("entries of the grain directory"))
	c.U32("next free sector")
	c.Skip(1648-32, "geometry or parent, generations, name and description")
	h.unclean = c.U32("unclean shutdown") != 0
	c.Skip(396, "padding")
	if c.Err() != nil {
		return nil, c.Err()
	}
	if h.version != 1 {
		return nil, fmt.Errorf("COWD version %d %w", h.version, ErrUnsupported)
	}
	if err := h.check(0); err != nil {
		return nil, err
	}
	if entries < h.tables() {
		report(24, "header: the grain directory has %d entries, %d sectors need %d", entries, h.capacity, h.tables())
	}
	return h, nil
}

func sectors(c *cursor.Cursor, what string) int64 {
	n := c.U64(what)
	if n > maxSectors {
		c.Fail("%s: %#x sectors", what, n)
		return 0
	}
	return int64(n)
}

// check holds sizes to what is possible.
func (h *header) check(off int64) error {
	switch {
	case h.grain < 1 || h.grain&(h.grain-1) != 0 || h.grain > MaxGrain/sectorSize || h.compressed && h.grainBytes() > MaxPacked:
		return cursor.Errorf(off+20, "header: grains of %d sectors", h.grain)
	case h.capacity < 1:
		return cursor.Errorf(off+12, "header: no sectors")
	}
	return nil
}

// footerWindow is how far before the end of a file its footer is searched.
const footerWindow = 1 << 20

// footer takes the place of the grain directory from the copy of the header at
// the end of a stream: the last sector but one. Something may stand behind it.
// Without one the directory stays atEnd, and the grains are found by their
// markers.
func (h *header) footer(f container.File, report func(int64, string, ...any)) {
	n := min(f.Size, footerWindow)
	b := make([]byte, n)
	start := f.Size - n
	if pad := start % sectorSize; pad != 0 {
		b, start = b[sectorSize-pad:], start+sectorSize-pad
	}
	if err := readFull(f.R, b, start); err != nil {
		report(start, "the end of the file: %v", err)
		return
	}
	for i := (int64(len(b)) - 1) &^ (sectorSize - 1); i >= sectorSize; i -= sectorSize {
		at := start + i
		if Identify(b[i:]) != Sparse || at == 0 || int64(len(b))-i < hostedHeaderSize {
			continue
		}
		foot, err := parseHosted(b[i:i+hostedHeaderSize], at, func(int64, string, ...any) {})
		if err != nil || foot.gd == atEnd || foot.capacity != h.capacity || foot.grain != h.grain || foot.perTable != h.perTable {
			continue // a disk inside the disk, or damaged
		}
		if m := parseMarker(b[i-sectorSize : i]); m.size != 0 || m.kind != markFooter {
			report(at-sectorSize, "no marker before the footer")
		}
		if at+2*sectorSize != f.Size {
			report(at, "the footer is not in the last sector but one of the file: %d bytes behind it", f.Size-at-hostedHeaderSize)
		}
		h.gd, h.copy, h.unclean = foot.gd, foot.copy, h.unclean || foot.unclean
		return
	}
	report(f.Size, "no footer: the stream is cut, or its end damaged; its grains are found by their markers")
}

// readFull reads all of p; a file that is too short is ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
