package aff4

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/inflate"
)

// stream is an image stream: chunks of one size, packed into bevies.
type stream struct {
	m       *members
	name    string
	size    int64
	chunk   int64
	perBevy int64
	method  string
	indexes *container.Kept[int64, index]
	here    bool // this volume has segments of it
}

// methods are the compressions by the names that writers give them.
var methods = map[string]string{
	"http://code.google.com/p/snappy/":           "snappy",
	"https://code.google.com/p/snappy/":          "snappy",
	"https://github.com/google/snappy":           "snappy",
	"https://code.google.com/p/lz4/":             "lz4",
	"http://code.google.com/p/lz4/":              "lz4",
	"https://github.com/lz4/lz4":                 "lz4",
	"https://www.ietf.org/rfc/rfc1950.txt":       "zlib",
	"https://tools.ietf.org/html/rfc1950":        "zlib",
	"https://www.ietf.org/rfc/rfc1951.txt":       "deflate",
	"https://tools.ietf.org/html/rfc1951":        "deflate",
	"http://aff4.org/Schema#NullCompressor":      "stored",
	"compression/stored":                         "stored",
	"https://www.aff4.org/Schema#NullCompressor": "stored",
	"": "stored",
}

func openStream(m *members, g graph, name string) (*stream, error) {
	s := &stream{m: m, name: name}
	var ok bool
	if s.method, ok = methods[g.get(name, "compressionMethod")]; !ok {
		return nil, fmt.Errorf("%s: compression %q %w", name, g.get(name, "compressionMethod"), ErrUnsupported)
	}
	for _, x := range []struct {
		to                  *int64
		property, old, none string
	}{{&s.size, "size", "size", ""}, {&s.chunk, "chunkSize", "chunk_size", "32768"}, {&s.perBevy, "chunksInSegment", "chunks_per_segment", "1024"}} {
		v := g.get(name, x.property)
		if v == "" {
			v = g.get(name, x.old)
		}
		if v == "" {
			v = x.none
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s: %s of %q", name, x.property, v)
		}
		*x.to = n
	}
	if s.chunk <= 0 || s.chunk > MaxChunk || s.perBevy <= 0 || s.perBevy > maxBevy {
		return nil, fmt.Errorf("%s: chunks of %d bytes, %d to a bevy", name, s.chunk, s.perBevy)
	}
	s.indexes = container.NewKept(indexBytes/(12*s.perBevy), s.index)
	s.here = s.size == 0 || m.find(name, bevy(0)) != nil
	return s, nil
}

func bevy(i int64) string { return fmt.Sprintf("%08d", i) }

// decode fills dst with a chunk of the stream.
func (s *stream) decode(chunk int64, dst []byte) error {
	dst = dst[:min(s.chunk, s.size-chunk*s.chunk)]
	x, err := s.indexes.Get(chunk / s.perBevy)
	if err != nil {
		return err
	}
	k := chunk % s.perBevy
	if 12*k+12 > int64(len(x.b)) {
		return fmt.Errorf("bevy %d has no chunk %d", chunk/s.perBevy, k)
	}
	off, n := binary.LittleEndian.Uint64(x.b[12*k:]), int64(binary.LittleEndian.Uint32(x.b[12*k+8:]))
	if off > uint64(x.size) || n > x.size-int64(off) || n > 2*s.chunk+1024 {
		return fmt.Errorf("bevy %d, chunk %d: %d bytes at %#x, in %d", chunk/s.perBevy, k, n, off, x.size)
	}
	b := make([]byte, n)
	if got, err := s.m.f.R.ReadAt(b, x.at+int64(off)); got < len(b) {
		return fmt.Errorf("bevy %d, chunk %d: %w", chunk/s.perBevy, k, err)
	}
	if err := s.unpack(dst, b); err != nil {
		return fmt.Errorf("bevy %d, chunk %d: %w", chunk/s.perBevy, k, err)
	}
	return nil
}

// unpack decodes one chunk. A chunk that is as long as what it holds is stored.
func (s *stream) unpack(dst, b []byte) error {
	if s.method == "stored" || int64(len(b)) == s.chunk {
		if len(b) < len(dst) {
			return fmt.Errorf("%d bytes, %d are needed", len(b), len(dst))
		}
		copy(dst, b)
		return nil
	}
	// The last chunk may be stored in full length.
	out := make([]byte, s.chunk)
	n := 0
	var err error
	switch s.method {
	case "snappy":
		if n, err = snappy.DecodedLen(b); err == nil && n <= len(out) {
			_, err = snappy.Decode(out, b)
		}
	case "lz4":
		n, err = lz4.UncompressBlock(b, out)
	case "zlib":
		var d inflate.Decoder
		n, _, err = d.Zlib(out, b)
	case "deflate":
		n, err = len(dst), inflate.Raw(out[:len(dst)], b)
	}
	if err == nil && (n < len(dst) || n > len(out)) {
		err = fmt.Errorf("%s gives %d bytes, %d are needed", s.method, n, len(dst))
	}
	copy(dst, out)
	return err
}

// index is that of a bevy: 12 bytes for each chunk.
type index struct {
	b        []byte
	at, size int64 // of the bevy in the file
}

func (s *stream) index(bevyNumber int64) (x index, err error) {
	data, list := s.m.find(s.name, bevy(bevyNumber)), s.m.find(s.name, bevy(bevyNumber)+".index")
	if data == nil || list == nil {
		return x, fmt.Errorf("bevy %d or its index is missing", bevyNumber)
	}
	if x.at, x.size, err = s.m.part(data); err != nil {
		return x, err
	}
	x.b, err = s.m.bytes(list, 12*s.perBevy)
	return x, err
}

// span is a run of the stream.
func (s *stream) span(unit, off, limit int64) container.Span {
	if off >= s.size || off < 0 {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("behind the end of %s", s.name)}
	}
	if !s.here {
		return container.Span{Len: min(limit, s.size-off), Kind: container.Unknown, Err: fmt.Errorf("%s lies in another volume", s.name)}
	}
	return container.Span{Len: min(limit, s.chunk-off%s.chunk, s.size-off), Unit: unit + off/s.chunk, Skip: off % s.chunk}
}
