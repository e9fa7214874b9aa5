package ewf

import (
	"encoding/binary"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/inflate"
)

// Tail returns what the last chunk holds beyond the end of the media. A source
// whose size is no whole number of sectors is stored so by ewfacquire 20140813
// (measured): the bytes are there and in the stored digests, but not counted.
// Padding with zeros to a full chunk is no tail.
func (r *Reader) Tail() []byte {
	chunk := r.chunks - 1
	want := int(r.chunkLen(chunk))
	g := r.groupOf(chunk)
	if g == nil || int64(want) == r.vol.ChunkSize() {
		return nil
	}
	e, err := r.tables.get(r, g)
	if err != nil || e.len() <= int(chunk-g.first) {
		return nil
	}
	off, end, compressed, err := e.extent(int(chunk - g.first))
	if err != nil {
		return nil
	}
	d := r.decoder()
	defer r.decoders.Put(d)
	stored, err := d.read(g, off, min(end, off+2*r.vol.ChunkSize()+64))
	if err != nil {
		return nil
	}
	var b []byte
	if compressed {
		n, _, err := d.z.Zlib(d.spill, stored)
		if err != nil || n <= want {
			return nil
		}
		b = d.spill[want:n]
	} else {
		n := len(stored) - 4
		if n <= want || n > len(d.spill) || inflate.Sum(stored[:n]) != binary.LittleEndian.Uint32(stored[n:]) {
			return nil
		}
		b = stored[want:n]
	}
	if want+len(b) == len(d.spill) && container.IsZero(b) {
		return nil
	}
	return append([]byte(nil), b...)
}
