package acquire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"runtime"

	"kanshiki/parsers/ewf"
)

var ewfLevels = map[string]ewf.Level{"fast": ewf.Fast, "default": ewf.Default, "best": ewf.Best}

// e01Output writes an image in the layout of EnCase 6.
type e01Output struct {
	w     *ewf.Writer
	level ewf.Level
}

func newE01(p *Plan, f *files, state json.RawMessage) (output, error) {
	o := ewf.WriterOptions{
		Header: ewf.Header{Case: p.Header.Case, Exhibit: p.Header.Exhibit, Examiner: p.Header.Examiner,
			Description: p.Header.Description, Notes: notes(p), Model: p.Model, Serial: p.Serial,
			Tool: p.Tool, System: runtime.GOOS, Acquired: p.Acquired},
		Sectors: p.Size / int64(p.Sector), BytesPerSector: p.Sector, SectorsPerChunk: p.Unit / p.Sector,
		Removable: p.Removable, Physical: p.Physical, Level: ewfLevels[p.Level], SegmentSize: p.SegmentSize,
		Create: func(n int) (ewf.SegmentFile, error) { return f.create(n) },
		Reopen: func(n int) (ewf.SegmentFile, error) { return f.reopen(n) },
	}
	if b, err := hex.DecodeString(p.GUID); err == nil {
		copy(o.GUID[:], b)
	}
	out := &e01Output{level: o.Level}
	if state == nil {
		var err error
		out.w, err = ewf.NewWriter(o)
		return out, err
	}
	var s ewf.State
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, fmt.Errorf("the writer's state in the checkpoint: %w", err)
	}
	var err error
	out.w, err = ewf.ResumeWriter(o, s)
	return out, err
}

// notes adds to the examiner's what the format cannot say elsewhere: its times
// have no zone, and its list of bad sectors ends at 2^32.
func notes(p *Plan) string {
	s := p.Header.Notes
	if s != "" {
		s += " "
	}
	s += "[Times are UTC."
	if p.Size/int64(p.Sector) > math.MaxUint32 {
		s += " Bad sectors from 4294967296 on do not fit this format: the JSON file beside the image lists all."
	}
	if p.TrueSize != p.Size {
		s += fmt.Sprintf(" The source has %d bytes; zeros fill its last sector.", p.TrueSize)
	}
	return s + "]"
}

func (o *e01Output) encoder() encoder {
	e, err := ewf.NewEncoder(o.level)
	if err != nil {
		panic(err) // the levels are ours
	}
	return e01Encoder{e}
}

type e01Encoder struct{ *ewf.Encoder }

func (e e01Encoder) encode(dst, unit []byte) ([]byte, bool) { return e.Encode(dst, unit) }

func (o *e01Output) append(u stored) error { return o.w.Append(u.b, u.compressed) }

func (o *e01Output) state() (place, error) {
	s, err := o.w.State()
	if err != nil {
		return place{}, err
	}
	b, err := json.Marshal(s)
	return place{segment: s.Segment, end: s.End, hole: s.Sectors, writer: b}, err
}

func (o *e01Output) finish(sums map[string]string, bad []Bad) error {
	md5, _ := hex.DecodeString(sums["md5"])
	sha1, _ := hex.DecodeString(sums["sha1"])
	if len(md5) == 0 {
		md5 = nil
	}
	if len(sha1) == 0 {
		sha1 = nil
	}
	return o.w.Finish(md5, sha1, runs(bad))
}

// runs are the bad places as the format can say them.
func runs(bad []Bad) (out []ewf.SectorRun) {
	for _, b := range bad {
		if b.Sector > math.MaxUint32 {
			break
		}
		n := min(b.Count, math.MaxUint32, math.MaxUint32+1-b.Sector)
		if k := len(out) - 1; k >= 0 && int64(out[k].First)+int64(out[k].Count) == b.Sector && int64(out[k].Count)+n <= math.MaxUint32 {
			out[k].Count += uint32(n)
			continue
		}
		out = append(out, ewf.SectorRun{First: uint32(b.Sector), Count: uint32(n)})
	}
	return out
}

func (o *e01Output) close() error { return o.w.Close() }
