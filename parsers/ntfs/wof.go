package ntfs

import (
	"encoding/binary"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/lzx"
	"kanshiki/parsers/internal/xpress"
)

// wofStream is the stream that holds the content of a file compressed by WOF;
// its unnamed stream is a hole of the real size.
const wofStream = "WofCompressedData"

// wofAlgorithms of provider 2 (notes of wimlib): chunk size and
// decompressor.
var wofAlgorithms = map[uint32]struct {
	chunk      int64
	decompress func(dst, src []byte) (int, error)
}{
	0: {4096, xpress.Huffman},
	1: {lzx.ChunkSize, lzx.Decompress},
	2: {8192, xpress.Huffman},
	3: {16384, xpress.Huffman},
}

// wof decompresses the content of a file. Chunk i ends where chunk i+1 begins;
// a table in front has the beginnings of all but the first, relative to its
// own end, in four bytes each, or eight where the real size needs them.
type wof struct {
	in         *Reader
	size       int64
	chunk      int64
	chunks     int64
	entry      int64 // bytes of an entry of the table
	decompress func(dst, src []byte) (int, error)
	buf        []byte
}

// openWOF makes r a reader of the decompressed content. ok is false where the
// file is kept elsewhere (provider 1: an image file), or in no way we know.
func (s Stream) openWOF() (w *wof, ok bool, err error) {
	b, have, err := s.f.Value(AttrReparsePoint)
	if err != nil || !have {
		return nil, false, err
	}
	c := cursor.New(b)
	tag := c.U32("reparse tag")
	c.Skip(4, "length")
	version, provider := c.U32("version"), c.U32("provider")
	c.Skip(4, "provider version")
	algorithm := c.U32("algorithm")
	a, known := wofAlgorithms[algorithm]
	if c.Err() != nil || tag != TagWOF || version != 1 || provider != 2 || !known {
		return nil, false, nil
	}
	packed, have := s.f.Stream(wofStream)
	if !have {
		return nil, false, nil
	}
	in, err := packed.Open(0)
	if err != nil {
		return nil, false, err
	}
	w = &wof{in: in, size: s.Size(), chunk: a.chunk, decompress: a.decompress, entry: 4}
	if w.size >= 1<<32 {
		w.entry = 8
	}
	w.chunks = (w.size-1)/w.chunk + 1
	// Each chunk needs a place in the table: a forged size ends here.
	if w.size > 0 && (w.chunks-1)*w.entry > in.Size() {
		return nil, false, &Damage{Kind: SizeBeyond, Record: s.Record(), Attr: AttrData, Off: s.f.Offset(), Got: uint64(w.size), Want: uint64(in.Size())}
	}
	return w, true, nil
}

// fill decompresses one chunk into dst and returns the good bytes.
func (w *wof) fill(dst []byte, num int64) (int, *Damage) {
	dst = dst[:min(w.chunk, w.size-num*w.chunk)]
	from, err := w.begin(num)
	to := w.in.Size()
	if err == nil && num+1 < w.chunks {
		to, err = w.begin(num + 1)
	}
	if err != nil {
		d := asDamage(err)
		return 0, &d
	}
	if to < from || to > w.in.Size() || to-from > int64(len(dst)) {
		return 0, &Damage{Kind: BadCompression, Off: -1, Got: uint64(to - from), Want: uint64(len(dst))}
	}
	if cap(w.buf) < int(w.chunk) {
		w.buf = make([]byte, w.chunk)
	}
	src := w.buf[:to-from]
	if n, err := w.in.ReadAt(src, from); n < len(src) {
		d := asDamage(err)
		return 0, &d
	}
	if len(src) == len(dst) { // stored as it is
		return copy(dst, src), nil
	}
	n, err := w.decompress(dst, src)
	if err != nil || n < len(dst) {
		return n, &Damage{Kind: BadCompression, Off: w.in.DiskOffset(from), Got: uint64(n), Want: uint64(len(dst)), Err: err}
	}
	return n, nil
}

// begin is where a chunk begins in the stream.
func (w *wof) begin(num int64) (int64, error) {
	table := (w.chunks - 1) * w.entry
	if num == 0 {
		return table, nil
	}
	var b [8]byte
	if n, err := w.in.ReadAt(b[:w.entry], (num-1)*w.entry); n < int(w.entry) {
		return 0, err
	}
	off := int64(binary.LittleEndian.Uint32(b[:]))
	if w.entry == 8 {
		off = int64(binary.LittleEndian.Uint64(b[:]) & (1<<62 - 1))
	}
	if off > w.in.Size() {
		return 0, &Damage{Kind: BadCompression, Off: -1, Got: uint64(off), Want: uint64(w.in.Size())}
	}
	return table + off, nil
}
