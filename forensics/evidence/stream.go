package evidence

import (
	"context"

	"kanshiki/parsers/ewf"
)

// Block is a part of an image in a stream.
type Block struct {
	Off  int64
	Len  int64
	Data []byte  // as the container holds it; nil where the whole block is not there
	Bad  []Range // parts of it that are zero because the container cannot give them
	free func()
}

// Release gives the buffer back; Data must not be used after it.
func (b *Block) Release() {
	if b.free != nil {
		b.free()
	}
}

const blockSize = 1 << 20

// Stream reads a whole image once, in order, as fast as the container allows,
// and hands each block to emit, which must release it. It gives what the
// container holds: in a sector that could not be read when it was acquired,
// the filling that was hashed then.
func Stream(ctx context.Context, img Image, emit func(*Block) error) error {
	if m, ok := img.(*ewfImage); ok {
		return m.Reader.Stream(func(p *ewf.Piece) error {
			b := &Block{Off: p.Off, Len: p.Len, Data: p.Data, free: p.Release}
			for _, x := range p.Bad {
				b.Bad = append(b.Bad, Range{x.Off, x.Len, kindOf(x.Kind)})
			}
			if err := ctx.Err(); err != nil {
				b.Release()
				return err
			}
			return emit(b)
		})
	}
	free := make(chan []byte, 8)
	for off := int64(0); off < img.Size(); off += blockSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		var buf []byte
		select {
		case buf = <-free:
		default:
			buf = make([]byte, blockSize)
		}
		b := &Block{Off: off, Len: min(blockSize, img.Size()-off)}
		b.Data = buf[:b.Len]
		b.free = func() {
			select {
			case free <- buf:
			default:
			}
		}
		if _, err := img.ReadAt(b.Data, off); err != nil {
			for x := range img.Ranges(off, b.Len) {
				if x.Kind != Data && x.Kind != Zero {
					b.Bad = append(b.Bad, x)
				}
			}
		}
		if err := emit(b); err != nil {
			return err
		}
	}
	return nil
}
