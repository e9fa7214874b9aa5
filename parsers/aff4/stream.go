package aff4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// stream is an image stream: chunks of one size, packed into bevies.
type stream struct {
	r       *Reader
	v       *volume // that has its bevies
	b       *bevies
	name    string
	size    int64
	chunk   int64
	perBevy int64
	method  string
	hashes  []string // of its chunks, those that are compared, the first choice first
	first   int64    // number of its first chunk among the units of the disk
	buffers sync.Pool
}

// methods are the compressions by the names that writers give them, without
// what goes before "://" and a slash at the end.
var methods = map[string]string{
	"code.google.com/p/snappy":           "snappy",
	"github.com/google/snappy":           "snappy",
	"code.google.com/p/lz4":              "lz4",
	"github.com/lz4/lz4":                 "lz4",
	"www.ietf.org/rfc/rfc1950.txt":       "zlib",
	"tools.ietf.org/html/rfc1950":        "zlib",
	"www.ietf.org/rfc/rfc1951.txt":       "deflate",
	"tools.ietf.org/html/rfc1951":        "deflate",
	"aff4.org/Schema#NullCompressor":     "stored",
	"aff4.org/Schema#compression/stored": "stored",
	"":                                   "stored",
}

// openStream reads what a volume says of a stream that it holds.
func (r *Reader) openStream(v *volume, name string) (*stream, error) {
	s := &stream{r: r, v: v, name: name, b: v.bevies(name)}
	if s.b == nil {
		s.b = &bevies{}
	}
	uri := v.g.get(name, "compressionMethod")
	_, plain, ok := strings.Cut(uri, "://")
	if !ok {
		plain = uri
	}
	if s.method, ok = methods[strings.TrimSuffix(plain, "/")]; !ok {
		return nil, fmt.Errorf("%s: compression %q %w", name, uri, ErrUnsupported)
	}
	var err [3]error
	s.size, err[0] = v.g.number(name, "size", 0)
	s.chunk, err[1] = v.g.number(name, "chunkSize", 32768)
	s.perBevy, err[2] = v.g.number(name, "chunksInSegment", 1024)
	if err := errors.Join(err[:]...); err != nil {
		return nil, err
	}
	if s.chunk == 0 || s.chunk > MaxChunk || s.perBevy == 0 || s.perBevy > maxBevy {
		return nil, fmt.Errorf("%s: chunks of %d bytes, %d to a bevy", name, s.chunk, s.perBevy)
	}
	for _, alg := range compared {
		if len((*s.b)[alg]) > 0 {
			s.hashes = append(s.hashes, alg)
		}
	}
	s.buffers.New = func() any { return new([]byte) }
	return s, nil
}

// bevy is what is needed of one to decode its chunks.
type bevy struct {
	at, size int64  // of the chunks in the file
	index    []byte // 12 bytes for each
	alg      string // of the hashes, "" where there are none
	sums     []byte
}

// loadBevy reads the index of a bevy and, where they are whole, the best hashes
// of its chunks.
func (s *stream) loadBevy(n int64) (b *bevy, err error) {
	data, ok := s.b.get("", n)
	list, ok2 := s.b.get("index", n)
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s: bevy %d or its index is missing", s.name, n)
	}
	if data.method != 0 {
		return nil, cursor.Errorf(data.header, "bevy %d: chunks that are compressed once more: %w", n, ErrUnsupported)
	}
	b = &bevy{}
	if b.at, b.size, err = s.v.a.part(data); err != nil {
		return nil, fmt.Errorf("bevy %d: %w", n, err)
	}
	if b.index, err = s.v.a.bytes(list, 12*(s.perBevy+1)); err != nil {
		return nil, fmt.Errorf("index of bevy %d: %w", n, err)
	}
	// An index of another length means that chunksInSegment is not what was
	// written: chunks of later bevies would be others than they are taken for.
	if have := int64(len(b.index) / 12); have != s.perBevy && n < (s.size-1)/(s.perBevy*s.chunk) {
		return nil, cursor.Errorf(list.header, "index of bevy %d: %d chunks, the stream has %d to a bevy", n, have, s.perBevy)
	}
	for _, alg := range s.hashes {
		sums, ok := s.b.get(alg, n)
		if !ok {
			continue
		}
		size := int64(algorithms[alg].size)
		if b.sums, err = s.v.a.bytes(sums, size*(s.perBevy+1)); err == nil {
			b.alg = alg
			return b, nil
		}
		s.r.Report(container.Problem{File: s.v.a.f.Name, Off: sums.header, What: fmt.Sprintf("%s of the chunks of bevy %d: %v", alg, n, err)})
	}
	b.sums = nil
	return b, nil
}

// decode fills dst, which is at least a chunk long, with a chunk.
func (s *stream) decode(chunk int64, dst []byte) error {
	n, k := chunk/s.perBevy, chunk%s.perBevy
	b, err := s.r.bevies.Get(bevyKey{s, n})
	if err != nil {
		return fmt.Errorf("%s: %w", s.v.a.f.Name, err)
	}
	if 12*k+12 > int64(len(b.index)) {
		return fmt.Errorf("%s: bevy %d of %s has no chunk %d", s.v.a.f.Name, n, s.name, k)
	}
	off, size := binary.LittleEndian.Uint64(b.index[12*k:]), int64(binary.LittleEndian.Uint32(b.index[12*k+8:]))
	if off > uint64(b.size) || size > b.size-int64(off) || size > 2*s.chunk+1024 {
		return fmt.Errorf("%s: bevy %d, chunk %d: %d bytes at %#x, in %d", s.v.a.f.Name, n, k, size, off, b.size)
	}
	at := b.at + int64(off)
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	*buf = slices.Grow((*buf)[:0], int(size))[:size]
	if got, err := s.v.a.f.R.ReadAt(*buf, at); got < len(*buf) {
		return fmt.Errorf("%s: chunk %d at %#x: %w", s.v.a.f.Name, chunk, at, err)
	}
	want := min(s.chunk, s.size-chunk*s.chunk)
	got, err := s.unpack(dst[:s.chunk], *buf, want)
	if err == nil {
		err = b.compare(k, dst[:got], want)
	}
	if err != nil {
		return fmt.Errorf("%s: chunk %d at %#x: %w", s.v.a.f.Name, chunk, at, err)
	}
	return nil
}

// unpack decodes a chunk into dst and tells how many bytes it has: want, or a
// whole chunk where the stream's last one is padded.
func (s *stream) unpack(dst, b []byte, want int64) (int, error) {
	if s.method == "stored" || len(b) == len(dst) { // as long as what it holds: not compressed
		if int64(len(b)) != want && len(b) != len(dst) {
			return 0, fmt.Errorf("%d bytes stored, %d are needed", len(b), want)
		}
		return copy(dst, b), nil
	}
	var n int
	var err error
	switch s.method {
	case "snappy":
		if n, err = snappy.DecodedLen(b); err == nil && n <= len(dst) {
			_, err = snappy.Decode(dst, b)
		}
	case "lz4":
		n, err = unpackLZ4(dst, b)
	case "zlib":
		var d inflate.Decoder
		n, _, err = d.Zlib(dst, b)
	case "deflate":
		if n, err = len(dst), inflate.Raw(dst, b); err != nil && want < int64(n) {
			n, err = int(want), inflate.Raw(dst[:want], b)
		}
	}
	if err == nil && int64(n) != want && n != len(dst) {
		err = fmt.Errorf("%s gives %d bytes, %d are needed", s.method, n, want)
	}
	return n, err
}

// unpackLZ4 decodes a block. pyaff4 writes its decoded length in front of it.
func unpackLZ4(dst, b []byte) (int, error) {
	if len(b) > 4 {
		if n := binary.LittleEndian.Uint32(b); int64(n) <= int64(len(dst)) {
			if k, err := lz4.UncompressBlock(b[4:], dst[:n]); err == nil && k == int(n) {
				return k, nil
			}
		}
	}
	return lz4.UncompressBlock(b, dst)
}

// compare compares a chunk with its hash. The last one is hashed as it was
// written, or without its padding.
func (b *bevy) compare(k int64, chunk []byte, want int64) error {
	size := int64(algorithms[b.alg].size)
	if b.alg == "" || size*(k+1) > int64(len(b.sums)) {
		return nil
	}
	sum, of := b.sums[size*k:size*(k+1)], algorithms[b.alg].sum
	if !bytes.Equal(of(chunk), sum) && !bytes.Equal(of(chunk[:min(want, int64(len(chunk)))]), sum) {
		return fmt.Errorf("its %s is not the stated one", b.alg)
	}
	return nil
}

// span is a run of the stream.
func (s *stream) span(off, limit int64) container.Span {
	if off >= s.size || off < 0 {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("behind the end of %s", s.name)}
	}
	limit = min(limit, s.size-off)
	if s.chunk != s.r.unit { // a run goes over units of one size only
		limit = min(limit, s.chunk-off%s.chunk)
	}
	return container.Span{Len: limit, Unit: s.first + off/s.chunk, Skip: off % s.chunk}
}
