package acquire

import (
	"encoding/json"
	"fmt"
)

// The formats that are written.
const (
	E01 = "e01"
	Zst = "zst"
	Raw = "raw"
)

// Formats are the words for them.
var Formats = []string{E01, Zst, Raw}

// output is an image that is written, unit by unit.
type output interface {
	// encoder makes what turns units into their stored form; each goroutine
	// has its own.
	encoder() encoder
	// append writes the next unit.
	append(u stored) error
	// state says where the next unit goes; all before it has been given to the
	// operating system.
	state() (place, error)
	// finish writes what follows the last unit.
	finish(sums map[string]string, bad []Bad) error
	// close lets go of the file that is written.
	close() error
}

type encoder interface {
	// encode appends the stored form of a unit to dst.
	encode(dst, unit []byte) (out []byte, compressed bool)
}

// stored is a unit in its stored form.
type stored struct {
	b          []byte
	from, to   int // of the encoder's buffer, until b is set
	raw        int // bytes of the medium in it
	compressed bool
}

// place is where an output can be taken up again.
type place struct {
	segment int
	end     int64 // bytes of the segment that count
	hole    int64 // where a section descriptor may be filled in later, 0 for nowhere
	writer  json.RawMessage
}

// newOutput begins an image, or goes on from a checkpoint's state.
func newOutput(p *Plan, f *files, state json.RawMessage) (output, error) {
	switch p.Format {
	case E01:
		return newE01(p, f, state)
	case Zst:
		return newZst(p, f, state)
	case Raw:
		return newRaw(p, f, state)
	}
	return nil, fmt.Errorf("no format %s", p.Format)
}
