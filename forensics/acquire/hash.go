package acquire

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
)

// digester computes several digests of the medium, each on a goroutine of its
// own: MD5 alone is the ceiling of the whole pipeline.
type digester struct {
	algs []string
	h    []hash.Hash
	in   []chan *batch
	wg   sync.WaitGroup
}

// newDigester begins, or goes on from the states of a checkpoint.
func newDigester(algs []string, states map[string][]byte) (*digester, error) {
	d := &digester{algs: slices.Clone(algs)}
	for _, alg := range algs {
		var h hash.Hash
		switch alg {
		case "md5":
			h = md5.New()
		case "sha1":
			h = sha1.New()
		case "sha256":
			h = sha256.New()
		default:
			return nil, fmt.Errorf("no digest %s", alg)
		}
		if s, ok := states[alg]; ok {
			if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s); err != nil {
				return nil, fmt.Errorf("state of %s in the checkpoint: %w", alg, err)
			}
		} else if states != nil {
			return nil, fmt.Errorf("the checkpoint has no state of %s", alg)
		}
		d.h = append(d.h, h)
	}
	return d, nil
}

func (d *digester) start() {
	for i, h := range d.h {
		in := make(chan *batch, 4)
		d.in = append(d.in, in)
		d.wg.Go(func() {
			for b := range in {
				h.Write(b.Data)
				if b.mark != nil {
					s, err := h.(encoding.BinaryMarshaler).MarshalBinary()
					b.mark.hash(d.algs[i], s, err)
				}
				b.done()
			}
		})
	}
}

func (d *digester) write(b *batch) {
	for _, in := range d.in {
		in <- b
	}
}

// end waits until all is hashed.
func (d *digester) end() {
	for _, in := range d.in {
		close(in)
	}
	d.in = nil
	d.wg.Wait()
}

func (d *digester) sums() map[string]string {
	out := map[string]string{}
	for i, h := range d.h {
		out[d.algs[i]] = hex.EncodeToString(h.Sum(nil))
	}
	return out
}

// states are those after all that was hashed.
func (d *digester) states() (map[string][]byte, error) {
	out := map[string][]byte{}
	for i, h := range d.h {
		s, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, err
		}
		out[d.algs[i]] = s
	}
	return out, nil
}
