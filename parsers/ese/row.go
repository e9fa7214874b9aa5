package ese

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// Kind is what a value holds.
type Kind uint8

// The kinds of values. A column that is null has no value in its row.
const (
	Integer Kind = iota + 1 // Int
	Float                   // Float; Int has its bits
	Text                    // Text
	Bytes                   // Raw
	Many                    // several values in Many
	Unread                  // Raw is as stored; Err says why it is not more
)

// Value is one column's value in a row.
type Value struct {
	Column *Column
	Kind   Kind
	Int    int64
	Float  float64
	Text   string
	Raw    []byte
	Many   []Value
	Err    error
}

// Row is one row: the columns that are not null, in the order of their numbers.
type Row struct {
	Values  []Value
	Off     int64 // of its entry
	Length  int64
	Deleted bool // its entry is marked so
	Doubt   bool // the checksum of its page is wrong
}

// Get finds a value by the name of its column, nil where the column is null or
// not there.
func (r *Row) Get(name string) *Value {
	for i := range r.Values {
		if r.Values[i].Column.Name == name {
			return &r.Values[i]
		}
	}
	return nil
}

// Number is a whole number of the row; false where there is none.
func (r *Row) Number(name string) (int64, bool) {
	if v := r.Get(name); v != nil && v.Kind == Integer {
		return v.Int, true
	}
	return 0, false
}

// Rows gives a table's rows in the order of its key. An error belongs to one
// row or to one page; what follows is read.
func (f *File) Rows(t *Table) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f.leaves(t.Page, func(p *page, err error) bool {
			if err != nil {
				return yield(Row{}, fmt.Errorf("table %q: %w", t.Name, err))
			}
			for i := range p.nodes {
				n := &p.nodes[i]
				row := Row{Off: p.off + int64(n.off), Length: int64(n.size), Deleted: n.flags&nodeDeleted != 0, Doubt: p.bad}
				err := n.err
				if err == nil {
					err = f.row(t, n.data, &row)
				}
				if err != nil {
					err = &Error{Off: row.Off, What: fmt.Sprintf("table %q: %v", t.Name, err), Err: err}
				}
				if !yield(row, err) {
					return false
				}
			}
			return true
		})
	}
}

// row decodes a row's columns.
func (f *File) row(t *Table, b []byte, row *Row) error {
	if len(b) < rowHeader {
		return fmt.Errorf("row of %d bytes", len(b))
	}
	lastFixed, lastVariable, variable := uint32(b[0]), b[1], int(binary.LittleEndian.Uint16(b[2:]))
	nulls := variable - int(lastFixed+7)/8 // a bit for each fixed column, before the variable ones
	if nulls < rowHeader || variable > len(b) {
		return fmt.Errorf("variable columns at %d in a row of %d bytes with %d fixed columns", variable, len(b), lastFixed)
	}
	varies, end, err := variables(b, lastVariable, variable)
	if err != nil {
		return err
	}
	tagged, err := f.tagged(b[end:])
	if err != nil {
		return err
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		switch {
		case c.ID <= 127:
			if c.ID > lastFixed || b[nulls+int(c.ID-1)/8]>>((c.ID-1)%8)&1 == 1 {
				continue
			}
			size := c.Type.fixed()
			if size == 0 {
				size = int(min(c.Size, 1<<15))
			}
			if c.offset < rowHeader || c.offset+size > nulls {
				return fmt.Errorf("column %q at %d with %d bytes is not in the fixed part of %d bytes", c.Name, c.offset, size, nulls)
			}
			row.Values = append(row.Values, decode(c, b[c.offset:c.offset+size]))
		case c.ID <= 255:
			if k := int(c.ID) - 128; k < len(varies) && varies[k] != nil {
				row.Values = append(row.Values, decode(c, varies[k]))
			}
		default:
			for _, x := range tagged {
				if x.id == c.ID {
					row.Values = append(row.Values, f.taggedValue(t, c, x))
				}
			}
		}
	}
	return nil
}

// item is one tagged column as it is stored.
type item struct {
	id    uint32
	flags byte // see below
	data  []byte
}

// Flags of a tagged column (fld.hxx, TAGFLD_HEADER).
const (
	tagLong       = 0x01
	tagCompressed = 0x02
	tagSeparated  = 0x04
	tagMany       = 0x08
	tagTwo        = 0x10
	tagNull       = 0x20
	tagEncrypted  = 0x40
)

// tagged takes the tagged columns apart: pairs of number and place, as many as
// there is room for before the first place.
func (f *File) tagged(b []byte) ([]item, error) {
	if len(b) < 4 {
		return nil, nil
	}
	mask := 0x1fff
	if f.large {
		mask = 0x7fff
	}
	first := int(binary.LittleEndian.Uint16(b[2:])) & mask
	if first > len(b) || first < 4 || first%4 != 0 {
		return nil, fmt.Errorf("tagged columns at %d of %d bytes", first, len(b))
	}
	var out []item
	for at := 0; at < first; at += 4 {
		raw := int(binary.LittleEndian.Uint16(b[at+2:]))
		from, to := raw&mask, len(b)
		if at+4 < first {
			to = int(binary.LittleEndian.Uint16(b[at+6:])) & mask
		}
		if from > to || to > len(b) {
			return nil, fmt.Errorf("tagged column from %d to %d of %d bytes", from, to, len(b))
		}
		x := item{id: uint32(binary.LittleEndian.Uint16(b[at:])), data: b[from:to:to]}
		if !f.large && raw&0x2000 != 0 {
			x.flags = tagNull
		}
		if (f.large || raw&0x4000 != 0) && len(x.data) > 0 {
			x.flags, x.data = x.data[0], x.data[1:]
		}
		if x.flags&tagNull == 0 {
			out = append(out, x)
		}
	}
	return out, nil
}

// taggedValue decodes one, which may be several, compressed, or elsewhere.
func (f *File) taggedValue(t *Table, c *Column, x item) Value {
	bad := func(err error) Value { return Value{Column: c, Kind: Unread, Raw: x.data, Err: err} }
	one := func(b []byte, separated, compressed bool) Value {
		if separated {
			long, err := f.longValue(t, b, compressed)
			if err != nil {
				return Value{Column: c, Kind: Unread, Raw: b, Err: err}
			}
			return decode(c, long)
		}
		if compressed {
			plain, err := decompress(b)
			if err != nil {
				return Value{Column: c, Kind: Unread, Raw: b, Err: err}
			}
			return decode(c, plain)
		}
		return decode(c, b)
	}
	switch {
	case x.flags&tagEncrypted != 0:
		return bad(fmt.Errorf("encrypted"))
	case x.flags&tagMany != 0 && x.flags&tagTwo != 0:
		if len(x.data) < 1 || int(x.data[0])+1 > len(x.data) {
			return bad(fmt.Errorf("two values in %d bytes", len(x.data)))
		}
		n := int(x.data[0]) + 1
		return Value{Column: c, Kind: Many, Many: []Value{decode(c, x.data[1:n]), decode(c, x.data[n:])}}
	case x.flags&tagMany != 0:
		return f.several(c, x, one)
	}
	return one(x.data, x.flags&tagSeparated != 0, x.flags&tagCompressed != 0)
}

// several takes three and more values apart; only the first can be compressed.
func (f *File) several(c *Column, x item, one func([]byte, bool, bool) Value) Value {
	v := Value{Column: c, Kind: Many}
	b := x.data
	if len(b) < 2 {
		return Value{Column: c, Kind: Unread, Raw: b, Err: fmt.Errorf("several values in %d bytes", len(b))}
	}
	first := int(binary.LittleEndian.Uint16(b) & 0x7fff)
	if first > len(b) || first%2 != 0 || first < 2 {
		return Value{Column: c, Kind: Unread, Raw: b, Err: fmt.Errorf("several values, the first at %d of %d bytes", first, len(b))}
	}
	for i := 0; i < first; i += 2 {
		at := binary.LittleEndian.Uint16(b[i:])
		from, to := int(at&0x7fff), len(b)
		if i+2 < first {
			to = int(binary.LittleEndian.Uint16(b[i+2:]) & 0x7fff)
		}
		if from > to || to > len(b) {
			v.Many = append(v.Many, Value{Column: c, Kind: Unread, Err: fmt.Errorf("value from %d to %d of %d bytes", from, to, len(b))})
			continue
		}
		v.Many = append(v.Many, one(b[from:to], at&0x8000 != 0, i == 0 && x.flags&tagCompressed != 0))
	}
	return v
}

// decode makes a value of a column's bytes.
func decode(c *Column, b []byte) Value {
	v := Value{Column: c, Kind: Integer}
	if n := c.Type.fixed(); n > 0 && len(b) != n {
		return Value{Column: c, Kind: Unread, Raw: b, Err: fmt.Errorf("%d bytes, the type has %d", len(b), n)}
	}
	switch c.Type {
	case Bit:
		if b[0] != 0 {
			v.Int = 1
		}
	case UnsignedByte:
		v.Int = int64(b[0])
	case Short:
		v.Int = int64(int16(binary.LittleEndian.Uint16(b)))
	case UnsignedShort:
		v.Int = int64(binary.LittleEndian.Uint16(b))
	case Long:
		v.Int = int64(int32(binary.LittleEndian.Uint32(b)))
	case UnsignedLong:
		v.Int = int64(binary.LittleEndian.Uint32(b))
	case Currency, LongLong:
		v.Int = int64(binary.LittleEndian.Uint64(b))
	case DateTime:
		// Some writers store a FILETIME, others days since 1899-12-30: both
		// readings are given.
		v.Int = int64(binary.LittleEndian.Uint64(b))
		v.Float = math.Float64frombits(uint64(v.Int))
	case Single:
		v.Kind, v.Int = Float, int64(binary.LittleEndian.Uint32(b))
		v.Float = float64(math.Float32frombits(uint32(v.Int)))
	case Double:
		v.Kind, v.Int = Float, int64(binary.LittleEndian.Uint64(b))
		v.Float = math.Float64frombits(uint64(v.Int))
	case GUID:
		v.Kind, v.Text, v.Raw = Text, guid.From(b).String(), b
	case TextType, LongText:
		v.Kind, v.Text, v.Raw = Text, text(b, c.CodePage), b
	default:
		v.Kind, v.Raw = Bytes, b
	}
	return v
}

// UTF16 reads the value's bytes as text up to a zero: columns of bytes hold
// text too.
func (v *Value) UTF16() string { return utf16.CString(v.Raw) }
