package evidence

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

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
// container holds: in a sector that was not read when it was acquired,
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
	return streamBlocks(ctx, Hashed(img), runtime.GOMAXPROCS(0), emit)
}

// Hashed is the image as it was hashed: what was not read when it was acquired
// is the filling that it holds there.
func Hashed(img Image) Image {
	switch m := img.(type) {
	case *mappedRaw:
		return m.filling()
	case *diskImage:
		return m.filling()
	}
	return img
}

// streamBlocks reads blocks by several goroutines, for images of which each
// ReadAt works by itself, and emits them in order.
func streamBlocks(ctx context.Context, img Image, workers int, emit func(*Block) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	buffers := make(chan []byte, 2*workers+2)
	queue := make(chan chan *Block, workers) // bounds what is worked on at once
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(queue)
		for off := int64(0); off < img.Size(); off += blockSize {
			out := make(chan *Block, 1)
			select {
			case queue <- out:
			case <-ctx.Done():
				return
			}
			wg.Go(func() { out <- readBlock(img, off, buffers) })
		}
	})
	for out := range queue {
		b := <-out
		if err := ctx.Err(); err != nil {
			b.Release()
			return err
		}
		if err := emit(b); err != nil {
			cancel()
			return err
		}
	}
	return ctx.Err()
}

func readBlock(img Image, off int64, buffers chan []byte) *Block {
	var buf []byte
	select {
	case buf = <-buffers:
	default:
		buf = make([]byte, blockSize)
	}
	b := &Block{Off: off, Len: min(blockSize, img.Size()-off)}
	b.Data = buf[:b.Len]
	b.free = func() {
		select {
		case buffers <- buf:
		default:
		}
	}
	_, err := img.ReadAt(b.Data, off)
	if e, ok := errors.AsType[*RangeError](err); ok {
		b.Bad = e.Ranges
	} else if err != nil && err != io.EOF {
		clear(b.Data)
		b.Bad = []Range{{off, b.Len, Corrupt}}
	}
	return b
}
