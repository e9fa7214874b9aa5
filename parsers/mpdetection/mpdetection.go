// Package mpdetection reads DetectionHistory files of Microsoft Defender: one
// for each detection.
//
// Source: "Windows Defender scan DetectionHistory file format" of the
// dtformats project. A file is a list of typed values, padded to eight bytes;
// strings "Magic.Version:1.2" part it into sets: the detection, the threat,
// and one for each resource. The meaning of most numbers is not known; all
// values are given in order with their places.
package mpdetection

import (
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a file; real ones have a few kilobytes.
const MaxSize = 16 << 20

// Types of values.
const (
	Number32 = 0x06 // also 0x00 and 0x05
	Number64 = 0x08
	Filetime = 0x0A
	Text     = 0x15
	GUID     = 0x1E
	Binary   = 0x28
)

// Value is one value.
type Value struct {
	Offset int64
	Type   uint32
	Data   []byte
}

// Text is the value of a string, or "".
func (v Value) Text() string {
	if v.Type != Text {
		return ""
	}
	return utf16.CString(v.Data)
}

// Number is the value of a number or time, or 0.
func (v Value) Number() uint64 {
	c := cursor.New(v.Data)
	switch {
	case len(v.Data) == 8:
		return c.U64("number")
	case len(v.Data) == 4:
		return uint64(c.U32("number"))
	}
	return 0
}

// GUID is the value of an identifier in text, or "".
func (v Value) GUID() string {
	if v.Type != GUID || len(v.Data) != 16 {
		return ""
	}
	return guid.From(v.Data).String()
}

// File is a detection.
type File struct {
	ID        string // identifier of the detection, also the file's name
	ThreatID  uint64
	Threat    string
	Severity  uint64 // presumably
	Category  uint64
	Resources []Resource
	User      string // account, as domain\name
	Process   string // that the resource was found through, or "Unknown"
	Times     []Time // the times that stand in the file, in order
	Values    []Value
	Damage    []error
}

// Time is a time in the file. Its meaning is presumed by its place.
type Time struct {
	Meaning string
	Ticks   uint64
}

// Resource is what was found.
type Resource struct {
	Type     string // file, containerfile, webfile, process, regkey …
	Location string
	Tracking []Track
}

// Track is a named value of what Defender tracks of a resource:
// ThreatTrackingSha256, ThreatTrackingSize …
type Track struct {
	Name   string
	Text   string
	Number uint64 // ThreatTrackingStartTime is a FILETIME
}

// Tracked finds a tracked text by its name.
func (r Resource) Tracked(name string) string {
	for _, t := range r.Tracking {
		if t.Name == name {
			return t.Text
		}
	}
	return ""
}

const separator = "Magic.Version:"

// lastValues is the number of values of the last set, which also holds times,
// account and process.
const lastValues = 32

// Parse reads a file.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, cursor.Errorf(MaxSize, "%d bytes are more than a detection has", len(b))
	}
	f := &File{}
	c := cursor.New(b)
	for c.Left() > 0 && c.Err() == nil {
		v := Value{Offset: c.Pos()}
		size := c.U32("size of value")
		v.Type = c.U32("type of value")
		v.Data = c.Take(int(min(size, MaxSize)), "value")
		if c.Err() != nil {
			break
		}
		f.Values = append(f.Values, v)
		c.Skip(min((8-c.Off()%8)%8, c.Left()), "padding")
	}
	if c.Err() != nil {
		f.Damage = append(f.Damage, c.Err())
	}
	if len(f.Values) < 2 || f.Values[0].Type != Number64 || f.Values[1].GUID() == "" {
		if c.Err() != nil {
			return nil, c.Err()
		}
		return nil, cursor.Errorf(0, "not the beginning of a detection")
	}
	f.ThreatID, f.ID = f.Values[0].Number(), f.Values[1].GUID()
	f.sets()
	return f, nil
}

// sets reads the parts between separators.
func (f *File) sets() {
	var starts []int
	for i, v := range f.Values {
		if strings.HasPrefix(v.Text(), separator) {
			starts = append(starts, i)
		}
	}
	at := func(set []Value, i int) Value {
		if i < len(set) {
			return set[i]
		}
		return Value{}
	}
	for k, i := range starts {
		end := len(f.Values)
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		set := f.Values[i:end]
		if k == 0 {
			f.Threat, f.Severity, f.Category = at(set, 1).Text(), at(set, 3).Number(), at(set, 4).Number()
			if n := set[len(set)-1].Number(); len(starts)-1 < int(min(n, 1<<20)) {
				f.Damage = append(f.Damage, cursor.Errorf(set[len(set)-1].Offset, "%d resources declared, %d found", n, len(starts)-1))
			}
			continue
		}
		f.Resources = append(f.Resources, Resource{Type: at(set, 1).Text(), Location: at(set, 2).Text(), Tracking: tracking(at(set, 5).Data)})
		f.last(set)
		if k == len(starts)-1 && len(set) < lastValues {
			f.Damage = append(f.Damage, cursor.Errorf(set[len(set)-1].Offset, "ends after %d of %d values of the last resource", len(set), lastValues))
		}
	}
	if len(starts) < 2 {
		f.Damage = append(f.Damage, cursor.Errorf(f.Values[len(f.Values)-1].Offset, "ends before the first resource"))
	}
}

// last reads what stands behind the last resource: times, account, process.
func (f *File) last(set []Value) {
	names := []string{"last status change", "first detected", "remediated"}
	var texts []string
	for i, v := range set {
		switch {
		case v.Type == Filetime && len(f.Times) < len(names):
			f.Times = append(f.Times, Time{names[len(f.Times)], v.Number()})
		case v.Type == Text && i > 5:
			texts = append(texts, v.Text())
		}
	}
	if len(texts) > 0 {
		f.User = texts[0]
	}
	if len(texts) > 1 {
		f.Process = texts[1]
	}
}

// tracking reads the data that follow a resource: a head of twenty bytes with
// the size of the values, then names with typed values.
func tracking(b []byte) []Track {
	c := cursor.New(b)
	c.Skip(4, "version")
	head := int(min(c.U32("size of head"), MaxSize))
	if c.Err() != nil || head < 8 {
		return nil
	}
	c.Seek(head, "values")
	c.Skip(4, "size of values")
	var out []Track
	for c.Err() == nil && c.Left() > 8 && len(out) < 256 {
		t := Track{Name: utf16.CString(c.Take(int(min(c.U32("size of name"), MaxSize)), "name"))}
		switch c.U32("type") {
		case 3:
			t.Number = uint64(c.U32("value"))
		case 4:
			t.Number = c.U64("value")
		case 5:
			t.Number = uint64(c.U8("value"))
		case 6:
			t.Text = utf16.CString(c.Take(int(min(c.U32("size"), MaxSize)), "value"))
		case 7:
			c.Skip(5, "value")
		default:
			return out
		}
		if c.Err() == nil {
			out = append(out, t)
		}
	}
	return out
}
