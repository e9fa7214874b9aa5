package acquire

import (
	"encoding/json"
	"os"

	"kanshiki/parsers/container"
)

// rawOutput writes the sectors as they are, in one file or several. Zeros of a
// whole batch are left as a hole where the file system has holes; they read the
// same.
type rawOutput struct {
	f     *files
	limit int64 // bytes of a segment, 0 for one file
	file  *os.File
	State rawState
}

type rawState struct {
	Segment int   `json:"segment"`
	End     int64 `json:"end"`
}

func newRaw(p *Plan, f *files, state json.RawMessage) (output, error) {
	o := &rawOutput{f: f, limit: p.SegmentSize}
	if state == nil {
		return o, o.next()
	}
	if err := json.Unmarshal(state, &o.State); err != nil {
		return nil, err
	}
	var err error
	if o.file, err = f.reopen(o.State.Segment); err != nil {
		return nil, err
	}
	return o, o.file.Truncate(o.State.End)
}

func (o *rawOutput) next() error {
	if o.file != nil {
		if err := o.seal(); err != nil {
			return err
		}
	}
	file, err := o.f.create(o.State.Segment + 1)
	if err != nil {
		return err
	}
	o.file, o.State = file, rawState{o.State.Segment + 1, 0}
	return nil
}

// seal gives the file its length, which a hole at its end does not, and closes
// it.
func (o *rawOutput) seal() error {
	if err := o.file.Truncate(o.State.End); err != nil {
		return err
	}
	if err := o.file.Sync(); err != nil {
		return err
	}
	return o.close()
}

// rawEncoder has nothing to do.
type rawEncoder struct{}

func (rawEncoder) encode(_, unit []byte) ([]byte, bool) { return unit, false }

func (o *rawOutput) encoder() encoder { return rawEncoder{} }

func (o *rawOutput) append(u stored) error {
	b := u.b
	for len(b) > 0 {
		n := int64(len(b))
		if o.limit > 0 {
			if o.State.End == o.limit {
				if err := o.next(); err != nil {
					return err
				}
			}
			n = min(n, o.limit-o.State.End)
		}
		if !container.IsZero(b[:n]) {
			if _, err := o.file.WriteAt(b[:n], o.State.End); err != nil {
				return err
			}
		}
		o.State.End += n
		b = b[n:]
	}
	return nil
}

func (o *rawOutput) state() (place, error) {
	if err := o.file.Truncate(o.State.End); err != nil { // a hole must be there to be found again
		return place{}, err
	}
	b, err := json.Marshal(o.State)
	return place{segment: o.State.Segment, end: o.State.End, writer: b}, err
}

func (o *rawOutput) finish(map[string]string, []Bad) error { return o.seal() }

func (o *rawOutput) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}
