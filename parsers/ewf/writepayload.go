package ewf

import (
	"encoding/binary"

	"kanshiki/parsers/internal/inflate"
)

// descriptor makes the 76 bytes before a section's payload.
func descriptor(kind string, next, size int64) []byte {
	b := make([]byte, descriptorSize)
	copy(b, kind)
	binary.LittleEndian.PutUint64(b[16:], uint64(next))
	binary.LittleEndian.PutUint64(b[24:], uint64(size))
	binary.LittleEndian.PutUint32(b[72:], inflate.Sum(b[:72]))
	return b
}

// sealed appends the Adler-32 of a payload.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, inflate.Sum(b))
}

func digest(md5, sha1 []byte) []byte {
	b := make([]byte, digestSize-4, digestSize)
	copy(b, md5)
	copy(b[16:], sha1)
	return sealed(b)
}

func hash(md5 []byte) []byte {
	b := make([]byte, hashSize-4, hashSize)
	copy(b, md5)
	return sealed(b)
}

func error2(bad []SectorRun) []byte {
	b := make([]byte, errorHead-4, errorHead+8*len(bad)+4)
	binary.LittleEndian.PutUint32(b, uint32(len(bad)))
	b = sealed(b)
	for _, r := range bad {
		b = binary.LittleEndian.AppendUint32(b, r.First)
		b = binary.LittleEndian.AppendUint32(b, r.Count)
	}
	return binary.LittleEndian.AppendUint32(b, inflate.Sum(b[errorHead:]))
}

// volume is the payload of volume and data.
func (w *Writer) volume() []byte {
	b := make([]byte, volumeLong-4, volumeLong)
	if !w.o.Removable {
		b[0] = 1
	}
	le := binary.LittleEndian
	le.PutUint32(b[4:], uint32(chunks(w.o)))
	le.PutUint32(b[8:], uint32(w.o.SectorsPerChunk))
	le.PutUint32(b[12:], uint32(w.o.BytesPerSector))
	le.PutUint64(b[16:], uint64(w.o.Sectors))
	b[36] = 1 // an image
	if w.o.Physical {
		b[36] |= 2
	}
	b[52] = map[Level]byte{None: 0, Fast: 1, Default: 1, Best: 2}[w.o.Level]
	le.PutUint32(b[56:], 1) // bad places are told to the sector
	copy(b[64:], w.o.GUID[:])
	return sealed(b)
}
