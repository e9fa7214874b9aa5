package ntfs

import (
	"encoding/binary"
	"io"
	"iter"
	"math/bits"
)

// Security is the store of security descriptors of a volume since NTFS 3.0,
// $Secure:$SDS. Entries begin at multiples of 16: hash, id, place, size, then
// the descriptor. Each 256 KiB are repeated 256 KiB further on.
type Security struct {
	rd   *Reader
	ids  map[uint32]sdsEntry
	lost []Damage
}

type sdsEntry struct {
	off  int64 // of the entry in $SDS, or of its copy
	size uint32
	hash uint32
}

const (
	secureRecord = 9
	sdsBlock     = 256 << 10
	sdsHead      = 20
	maxSDS       = 64 << 10 // a descriptor holds two lists of less than 64 KiB; ACLs have 16-bit sizes
)

// Security reads the store. ok is false where the volume has none: before NTFS
// 3.0, and on volumes of other drivers, each entry has its own descriptor.
func (c *Catalog) Security() (s *Security, ok bool, err error) {
	f, ok := c.File(secureRecord)
	if !ok {
		return nil, false, nil
	}
	st, ok := f.Stream("$SDS")
	if !ok {
		return nil, false, nil
	}
	rd, err := st.Open(0)
	if err != nil {
		return nil, true, err
	}
	s = &Security{rd: rd, ids: map[uint32]sdsEntry{}}
	s.scan()
	return s, true, nil
}

// scan reads every block and its copy; the first good entry of an id counts.
func (s *Security) scan() {
	buf := make([]byte, sdsBlock)
	for from, to := range s.rd.stored {
		for off := from &^ (sdsBlock - 1); off < to; off += sdsBlock {
			b := buf[:min(sdsBlock, to-off)]
			n, err := s.rd.ReadAt(b, off)
			if err != nil && err != io.EOF {
				s.lost = append(s.lost, asDamage(err))
			}
			s.block(b[:n], off)
		}
	}
}

func (s *Security) block(b []byte, base int64) {
	for p := 0; p+sdsHead <= len(b); {
		h := b[p:]
		hash, id := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		place, size := binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint32(h[16:])
		if size == 0 && id == 0 && hash == 0 {
			p += 16
			continue
		}
		at := uint64(base) + uint64(p)
		own := place == at || place+sdsBlock == at // the copy keeps the place of the first
		if !own || size < sdsHead || size > maxSDS+sdsHead || int64(size) > int64(len(b)-p) {
			p += 16
			continue
		}
		if _, have := s.ids[id]; !have && sdsHash(h[sdsHead:size]) == hash {
			s.ids[id] = sdsEntry{off: int64(at), size: size, hash: hash}
		}
		p += int(size+15) &^ 15
	}
}

// sdsHash is the sum that $SDS, $SII and $SDH know a descriptor by.
func sdsHash(b []byte) uint32 {
	var h uint32
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h, 3) + binary.LittleEndian.Uint32(b)
	}
	return h
}

// Len is the number of descriptors.
func (s *Security) Len() int { return len(s.ids) }

// Damage lists what could not be read of the store.
func (s *Security) Damage() []Damage { return s.lost }

// Descriptor is the self-relative security descriptor of an id; false where no
// good copy of it was found.
func (s *Security) Descriptor(id uint32) ([]byte, bool, error) {
	e, ok := s.ids[id]
	if !ok {
		return nil, false, nil
	}
	b := make([]byte, e.size-sdsHead)
	if n, err := s.rd.ReadAt(b, e.off+sdsHead); n < len(b) {
		return nil, true, err
	}
	return b, true, nil
}

// MissingDescriptors yields the ids that the index $SII names and the store does not
// hold: descriptors that are lost.
func (c *Catalog) MissingDescriptors(s *Security) iter.Seq2[uint32, error] {
	return func(yield func(uint32, error) bool) {
		f, ok := c.File(secureRecord)
		if !ok {
			return
		}
		for v, err := range f.view("$SII") {
			if err != nil {
				if !yield(0, err) {
					return
				}
				continue
			}
			if len(v.key) < 4 {
				continue
			}
			if id := binary.LittleEndian.Uint32(v.key); s.ids[id].size == 0 && !yield(id, nil) {
				return
			}
		}
	}
}

// Descriptor is the security descriptor that the entry holds itself, as
// volumes before NTFS 3.0 and some drivers write it; false where it has none.
func (f File) Descriptor() ([]byte, bool, error) { return f.Value(AttrSecurityDescriptor) }
