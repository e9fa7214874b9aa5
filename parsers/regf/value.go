package regf

import (
	"encoding/binary"
	"iter"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Types of values. Other numbers occur and are kept: SAM stores numbers in
// this field, and device properties set the upper half.
const (
	None                 = 0
	String               = 1 // REG_SZ
	ExpandString         = 2
	Binary               = 3
	DWord                = 4
	DWordBE              = 5
	Link                 = 6
	MultiString          = 7
	ResourceList         = 8
	FullResource         = 9
	ResourceRequirements = 10
	QWord                = 11
)

// maxSegment is what one segment of big data holds; longer data is stored in
// segments from version 1.4 on ("Big data").
const maxSegment = 16344

// Value is a registry value.
type Value struct {
	Name      string // "" is the default value
	Type      uint32
	Size      uint32 // of its data, as declared
	Flags     uint16
	Offset    int64  // of its cell in the file
	Cell      uint32 // the same, from the start of the bins
	DataCell  uint32 // cell of the data; meaningless where Resident
	Resident  bool   // the data stands in the value itself
	Allocated bool   // its cell is marked as in use

	h    *Hive
	data [4]byte
}

// Values yields the values of a key. An error belongs to one value or to the
// list.
func (k *Key) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if k.ValueCount == 0 {
			return
		}
		b, _, err := k.h.cell(k.values, "list of values")
		if err != nil {
			yield(Value{}, err)
			return
		}
		c := cursor.At(b, k.h.place(k.values))
		for range k.ValueCount {
			at := c.Pos()
			off := c.U32("element of a list of values")
			if c.Err() != nil {
				yield(Value{}, cursor.Errorf(at, "key %s: %d values declared, its list ends before", k.Name, k.ValueCount))
				return
			}
			if k.walk.left--; k.walk.left < 0 {
				yield(Value{}, cursor.Errorf(at, "lists of values: more elements than the hive has room for"))
				return
			}
			if !yield(k.h.value(off)) {
				return
			}
		}
	}
}

// value reads the value in the cell at off.
func (h *Hive) value(off uint32) (Value, error) {
	b, used, err := h.cell(off, "value")
	if err != nil {
		return Value{}, err
	}
	v, err := h.parseValue(b, off)
	v.Allocated = used
	return v, err
}

func (h *Hive) parseValue(b []byte, off uint32) (Value, error) {
	c := cursor.At(b, h.place(off))
	if sig := c.Take(2, "value"); c.Err() == nil && string(sig) != "vk" {
		return Value{}, cursor.Errorf(h.place(off), "value: signature vk expected, found %q", sig)
	}
	v := Value{h: h, Cell: off, Offset: int64(off) + BaseSize}
	n := c.U16("length of a value's name")
	size := c.U32("size of a value's data")
	copy(v.data[:], c.Take(4, "data of a value"))
	v.Type = c.U32("type of a value")
	v.Flags = c.U16("flags of a value")
	c.Skip(2, "spare of a value")
	name := c.Take(int(n), "name of a value")
	if c.Err() != nil {
		return Value{}, c.Err()
	}
	v.Name = text(name, v.Flags&1 != 0)
	v.Resident, v.Size = size>>31 == 1, size&0x7FFFFFFF
	v.DataCell = binary.LittleEndian.Uint32(v.data[:])
	return v, nil
}

// Value is the value of that name, whatever its case.
func (k *Key) Value(name string) (Value, error) {
	var first error
	for v, err := range k.Values() {
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && strings.EqualFold(v.Name, name):
			return v, nil
		}
	}
	if first != nil {
		return Value{}, first
	}
	return Value{}, ErrNoValue
}

// Data is the content of a value: a part of the hive, or a copy where it lies
// in several segments. What is there comes with the error where some is not.
func (v Value) Data() ([]byte, error) {
	if v.Resident {
		if v.Size > 4 {
			return v.data[:], cursor.Errorf(v.Offset, "value %s: %d bytes of data in the value itself, where 4 have room", v.Name, v.Size)
		}
		return v.data[:v.Size], nil
	}
	if v.Size == 0 {
		return nil, nil
	}
	b, _, err := v.h.cell(v.DataCell, "data of a value")
	if err != nil {
		return nil, err
	}
	if v.Size > maxSegment && v.h.Minor >= 4 && len(b) >= 8 && len(b) < int(v.Size) && string(b[:2]) == "db" {
		return v.segments(b)
	}
	if int64(len(b)) < int64(v.Size) {
		return b, cursor.Errorf(v.h.place(v.DataCell), "value %s: data of %d bytes declared, its cell holds %d", v.Name, v.Size, len(b))
	}
	return b[:v.Size:v.Size], nil
}

func (v Value) segments(db []byte) ([]byte, error) {
	c := cursor.At(db, v.h.place(v.DataCell))
	c.Skip(2, "big data")
	n, list := int(c.U16("number of segments")), c.U32("list of segments")
	b, _, err := v.h.cell(list, "list of segments")
	if err != nil {
		return nil, err
	}
	if int64(v.Size) > int64(len(v.h.bins)) {
		return nil, cursor.Errorf(v.Offset, "value %s: data of %d bytes declared, the hive has %d", v.Name, v.Size, len(v.h.bins))
	}
	var out []byte
	c = cursor.At(b, v.h.place(list))
	for range n {
		off := c.U32("element of a list of segments")
		if c.Err() != nil {
			return out, c.Err()
		}
		part, _, err := v.h.cell(off, "segment of data")
		if err != nil {
			return out, err
		}
		out = append(out, part[:min(len(part), maxSegment, int(v.Size)-len(out))]...)
		if len(out) == int(v.Size) {
			return out, nil
		}
	}
	return out, cursor.Errorf(v.Offset, "value %s: data of %d bytes declared, its segments hold %d", v.Name, v.Size, len(out))
}

// Place is where byte i of the data stands in the file; for what is not there,
// the value's own place.
func (v Value) Place(i int64) int64 {
	switch {
	case i < 0 || i >= int64(v.Size):
		return v.Offset
	case v.Resident:
		return v.Offset + int64(v.h.header) + 8 + i
	}
	b, _, err := v.h.cell(v.DataCell, "data of a value")
	if err != nil {
		return v.Offset
	}
	if v.Size > maxSegment && v.h.Minor >= 4 && len(b) >= 8 && len(b) < int(v.Size) && string(b[:2]) == "db" {
		list, _, err := v.h.cell(binary.LittleEndian.Uint32(b[4:]), "list of segments")
		n := i / maxSegment * 4
		if err != nil || n+4 > int64(len(list)) {
			return v.Offset
		}
		return v.h.place(binary.LittleEndian.Uint32(list[n:])) + i%maxSegment
	}
	return v.h.place(v.DataCell) + i
}

// Text is the content as text: up to the first zero of REG_SZ, REG_EXPAND_SZ
// and REG_LINK, and the texts of REG_MULTI_SZ one a line. Other types have none.
func (v Value) Text() (string, error) {
	b, err := v.Data()
	switch v.Type {
	case String, ExpandString, Link:
		return utf16.CString(b), err
	case MultiString:
		return strings.Join(texts(b), "\n"), err
	}
	return "", err
}

// Texts are the texts of REG_MULTI_SZ; of other types, Text alone.
func (v Value) Texts() ([]string, error) {
	if v.Type != MultiString {
		s, err := v.Text()
		return []string{s}, err
	}
	b, err := v.Data()
	return texts(b), err
}

// texts parts a REG_MULTI_SZ. It is read to its end, for an empty text inside
// is a known way to hide what follows from tools that stop there.
func texts(b []byte) []string {
	var out []string
	for i, from := 0, 0; i < len(b); i += 2 {
		if end := i+1 >= len(b); end || b[i] == 0 && b[i+1] == 0 {
			if i > from {
				out = append(out, utf16.String(b[from:i]))
			}
			from = i + 2
		} else if i+2 >= len(b) {
			out = append(out, utf16.String(b[from:]))
		}
	}
	return out
}

// Uint is the content of a number of 4 or 8 bytes, of whatever type it says
// it is; ok tells whether there is one.
func (v Value) Uint() (n uint64, ok bool) {
	b, err := v.Data()
	switch {
	case err != nil:
	case v.Type == DWordBE && len(b) == 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	case len(b) == 4:
		return uint64(binary.LittleEndian.Uint32(b)), true
	case len(b) == 8:
		return binary.LittleEndian.Uint64(b), true
	}
	return 0, false
}
