package acquire

import (
	"encoding/json"
	"fmt"

	"kanshiki/parsers/zseek"
)

var zseekLevels = map[string]zseek.Level{"fast": zseek.Fast, "default": zseek.Default, "best": zseek.Best}

// zstOutput writes seekable zstd, one file.
type zstOutput struct {
	w *zseek.Writer
	p *Plan
}

func newZst(p *Plan, f *files, state json.RawMessage) (output, error) {
	o := zseek.WriterOptions{Media: p.Size, FrameSize: p.Unit, Sector: p.Sector, Fields: zstFields(p)}
	out := &zstOutput{p: p}
	if state == nil {
		file, err := f.create(1)
		if err != nil {
			return nil, err
		}
		o.File = file
		out.w, err = zseek.NewWriter(o)
		return out, err
	}
	var s zseek.State
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, fmt.Errorf("the writer's state in the checkpoint: %w", err)
	}
	file, err := f.reopen(1)
	if err != nil {
		return nil, err
	}
	o.File = file
	out.w, err = zseek.ResumeWriter(o, s)
	return out, err
}

// zstFields are what the file says of itself. No time is among them, so that
// the same medium makes the same file; the custody record has it.
func zstFields(p *Plan) (out []zseek.Field) {
	for _, f := range []zseek.Field{
		{Name: "case number", Value: p.Header.Case}, {Name: "evidence number", Value: p.Header.Exhibit},
		{Name: "examiner", Value: p.Header.Examiner}, {Name: "description", Value: p.Header.Description},
		{Name: "notes", Value: p.Header.Notes}, {Name: "model", Value: p.Model}, {Name: "serial number", Value: p.Serial},
		{Name: "acquisition software", Value: p.Tool},
	} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

func (o *zstOutput) encoder() encoder {
	e, err := zseek.NewEncoder(zseekLevels[o.p.Level], o.p.Unit)
	if err != nil {
		panic(err) // levels and sizes are ours
	}
	return zstEncoder{e}
}

type zstEncoder struct{ *zseek.Encoder }

func (e zstEncoder) encode(dst, unit []byte) ([]byte, bool) { return e.Encode(dst, unit), true }

func (o *zstOutput) append(u stored) error { return o.w.Append(u.b, u.raw) }

func (o *zstOutput) state() (place, error) {
	s, err := o.w.State()
	if err != nil {
		return place{}, err
	}
	b, err := json.Marshal(s)
	return place{segment: 1, end: s.End, writer: b}, err
}

func (o *zstOutput) finish(sums map[string]string, bad []Bad) error {
	var e zseek.End
	for _, alg := range o.p.Hashes {
		e.Digests = append(e.Digests, zseek.Digest{Alg: alg, Sum: sums[alg]})
	}
	sector := int64(o.p.Sector)
	for _, b := range bad {
		off := b.Sector * sector
		e.Bad = append(e.Bad, zseek.Run{Off: off, Len: min(b.Count*sector, o.p.Size-off)})
	}
	return o.w.Finish(e)
}

func (o *zstOutput) close() error { return o.w.Close() }
