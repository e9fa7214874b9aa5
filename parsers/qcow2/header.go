package qcow2

import (
	"fmt"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Header is what a disk says of itself.
type Header struct {
	Version       uint32
	BackingFile   string // as it is written, "" where there is none
	BackingFormat string // "raw", "qcow2" …, "" where it is not said
	DataFile      string // of an external data file
	ClusterBits   uint32
	Size          int64 // bytes of the medium
	Incompatible  uint64
	Compatible    uint64
	Autoclear     uint64
	Compression   uint8 // 0 zlib, 1 zstd

	crypt         uint32
	l1Size        uint32
	l1Offset      uint64
	snapshots     uint32
	snapshotsFrom uint64
}

// Incompatible features (qcow2.txt, "Header").
const (
	bitDirty = 1 << iota
	bitCorrupt
	bitDataFile
	bitCompression
	bitExtendedL2
	knownBits = 1<<iota - 1
)

func (h *Header) cluster() int64   { return 1 << h.ClusterBits }
func (h *Header) extended() bool   { return h.Incompatible&bitExtendedL2 != 0 }
func (h *Header) external() bool   { return h.Incompatible&bitDataFile != 0 }
func (h *Header) zstd() bool       { return h.Compression == 1 }
func (h *Header) entrySize() int64 { return map[bool]int64{false: 8, true: 16}[h.extended()] }
func (h *Header) perTable() int64  { return h.cluster() / h.entrySize() }

// headSize holds the header and its extensions: they lie in the first cluster,
// and are small.
const headSize = 64 << 10

func readHeader(f container.File, problems *container.Problems) (*Header, error) {
	b := make([]byte, min(headSize, max(f.Size, 0)))
	if n, err := f.R.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("header: %w", err)
	}
	c := cursor.New(b)
	if magic := c.Take(4, "magic"); c.Err() == nil && string(magic) != Magic {
		return nil, cursor.Errorf(0, "magic: have % x", magic)
	}
	h := &Header{Version: c.U32BE("version")}
	backingAt, backingSize := c.U64BE("backing file offset"), c.U32BE("backing file size")
	h.ClusterBits = c.U32BE("cluster bits")
	size := c.U64BE("size")
	h.crypt, h.l1Size, h.l1Offset = c.U32BE("encryption"), c.U32BE("L1 size"), c.U64BE("L1 offset")
	c.Skip(8+4, "refcount table")
	h.snapshots, h.snapshotsFrom = c.U32BE("snapshots"), c.U64BE("snapshot table")
	if c.Err() != nil {
		return nil, c.Err()
	}
	if h.Version != 2 && h.Version != 3 {
		return nil, fmt.Errorf("version %d %w", h.Version, ErrUnsupported)
	}
	if h.ClusterBits < 9 || h.ClusterBits > MaxClusterBits {
		return nil, cursor.Errorf(20, "clusters of 2^%d bytes", h.ClusterBits)
	}
	if size > 1<<62 {
		return nil, cursor.Errorf(24, "a medium of %d bytes", size)
	}
	h.Size = int64(size)
	length := int64(72)
	if h.Version == 3 {
		h.Incompatible, h.Compatible, h.Autoclear = c.U64BE("incompatible features"), c.U64BE("compatible features"), c.U64BE("autoclear features")
		c.U32BE("refcount order")
		length = int64(c.U32BE("header length"))
		if length > 104 {
			h.Compression = c.U8("compression type")
		}
		if c.Err() != nil || length < 104 || length%8 != 0 || length > int64(len(b)) {
			return nil, cursor.Errorf(100, "a header of %d bytes", length)
		}
	}
	if err := h.supported(); err != nil {
		return nil, err
	}
	if err := h.extensions(b, length, problems); err != nil {
		problems.Reportf(length, "%v", err)
	}
	return h, h.backing(b, backingAt, backingSize)
}

// supported refuses by name what is not read.
func (h *Header) supported() error {
	switch {
	case h.crypt == 1:
		return fmt.Errorf("AES encryption %w", ErrUnsupported)
	case h.crypt == 2:
		return fmt.Errorf("LUKS encryption %w", ErrUnsupported)
	case h.crypt != 0:
		return fmt.Errorf("encryption method %d %w", h.crypt, ErrUnsupported)
	case h.Incompatible&^knownBits != 0:
		return fmt.Errorf("incompatible feature bits %#x: what they mean is not known, so the disk %w", h.Incompatible&^knownBits, ErrUnsupported)
	case h.Compression > 1 || h.Compression != 0 && h.Incompatible&bitCompression == 0:
		return fmt.Errorf("compression type %d %w", h.Compression, ErrUnsupported)
	case h.extended() && h.ClusterBits < 14:
		return cursor.Errorf(20, "subclusters in clusters of 2^%d bytes", h.ClusterBits)
	}
	return nil
}

// Header extensions.
const (
	extEnd           = 0
	extBackingFormat = 0xE2792ACA
	extDataFile      = 0x44415441
)

func (h *Header) extensions(b []byte, at int64, problems *container.Problems) error {
	end := min(h.cluster(), int64(len(b)))
	for at+8 <= end {
		c := cursor.At(b[at:end], at)
		kind, n := c.U32BE("extension"), int64(c.U32BE("extension size"))
		if kind == extEnd {
			return nil
		}
		data := c.Take(int(min(n, 1<<30)), "extension")
		if c.Err() != nil {
			return c.Err()
		}
		switch kind {
		case extBackingFormat:
			h.BackingFormat = name(data)
		case extDataFile:
			h.DataFile = name(data)
		}
		at += 8 + (n+7)&^7
	}
	return nil
}

func (h *Header) backing(b []byte, at uint64, n uint32) error {
	if at == 0 {
		return nil
	}
	if n > maxName || at > uint64(len(b)) || at+uint64(n) > uint64(len(b)) {
		return cursor.Errorf(8, "a backing file's name of %d bytes at %#x", n, at)
	}
	h.BackingFile = name(b[at : at+uint64(n)])
	return nil
}

// name is a name as it is stored, up to a NUL.
func name(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
