package evtx

import (
	"errors"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Tokens of binary XML ([MS-EVEN6] 2.2.12). The bit tokenMore says that
// attributes or further data follow.
const (
	tokenEOF        = 0x00
	tokenOpen       = 0x01
	tokenCloseStart = 0x02
	tokenCloseEmpty = 0x03
	tokenEnd        = 0x04
	tokenValue      = 0x05
	tokenAttribute  = 0x06
	tokenCDATA      = 0x07
	tokenCharRef    = 0x08
	tokenEntityRef  = 0x09
	tokenPITarget   = 0x0a
	tokenPIData     = 0x0b
	tokenTemplate   = 0x0c
	tokenSubst      = 0x0d
	tokenOptional   = 0x0e
	tokenFragment   = 0x0f
	tokenMore       = 0x40
)

// independent is the dependency of an element that is always there. Another
// number is the index of a value; the element is left out where that value is
// null ([MS-EVEN6] 2.2.12, DependencyID).
const independent = 0xffff

const (
	// maxDepth bounds open elements; events of Windows have fewer than 20.
	maxDepth = 128
	// maxNest bounds binary XML inside of values inside of binary XML.
	maxNest = 16
	// maxSteps bounds the work for one record: a record of 64 KiB that holds
	// each token once needs fewer, one that refers to itself in many ways
	// would need any number.
	maxSteps = 1 << 16
	// maxText bounds what one record may become as text.
	maxText = 1 << 20
	// maxKnown bounds what is kept for the whole file: names, strings and
	// templates. Beyond it they are read again where they are needed.
	maxKnown = 1 << 14
)

type opKind uint8

const (
	opOpen opKind = iota
	opAttribute
	opCloseStart
	opCloseEmpty
	opEnd
	opText
	opSubst
	opTemplate
	opPI
	opPIData
)

// op is one step of a compiled program.
type op struct {
	kind     opKind
	optional bool
	index    uint16 // opSubst: of the value; opOpen: of the value that the element depends on
	at       int    // opTemplate: place of the instance behind its token; opOpen: steps to its end
	name     *name
	text     Value
}

// name is an element or attribute name, one object for each spelling.
type name struct {
	text string
	sym  sym
}

// name reads a name that is either here or, once used before, elsewhere in
// the chunk.
func (d *decoder) name(c *cursor.Cursor) *name {
	at := c.U32("name offset")
	if c.Err() != nil {
		return nil
	}
	if int64(at) == int64(c.Off()) {
		return d.nameAt(c)
	}
	if int64(at) > int64(len(d.buf)) {
		c.Fail("name offset %#x outside of the chunk", at)
		return nil
	}
	far := cursor.At(d.buf, d.base)
	far.Seek(int(at), "name")
	n := d.nameAt(far)
	if far.Err() != nil {
		c.Fail("name at %#x: %v", at, far.Err())
	}
	return n
}

func (d *decoder) nameAt(c *cursor.Cursor) *name {
	c.Skip(4, "next name")
	hash := c.U16("name hash")
	n := int(c.U16("name length"))
	raw := c.Take(2*n, "name")
	c.Skip(2, "end of name")
	if c.Err() != nil {
		return nil
	}
	if got := d.names[string(raw)]; got != nil {
		return got
	}
	if nameHash(raw) != hash {
		c.Fail("name does not match its hash %#04x", hash)
		return nil
	}
	if len(d.names) >= maxKnown {
		clear(d.names)
	}
	made := &name{text: utf16.String(raw)}
	made.sym = syms[made.text]
	d.names[string(raw)] = made
	return made
}

// nameHash is the low half of the hash that the service keeps with each name.
func nameHash(raw []byte) uint16 {
	var h uint32
	for i := 0; i+1 < len(raw); i += 2 {
		h = h*65599 + uint32(raw[i]) + uint32(raw[i+1])<<8
	}
	return uint16(h)
}

// compile turns tokens into steps until the end of the fragment. dep says
// whether elements carry a dependency identifier: they do in records and
// definitions, not in values that are binary XML.
func (d *decoder) compile(c *cursor.Cursor, dep bool, ops []op) ([]op, error) {
	open := 0
	var opens [maxDepth]int
	for c.Left() > 0 {
		whole := len(ops)
		tok := c.U8("token")
		switch tok &^ tokenMore {
		case tokenEOF:
			if open > 0 {
				c.Fail("fragment ends inside %d elements", open)
			}
			return ops, c.Err()
		case tokenOpen:
			if open >= maxDepth {
				c.Fail("more than %d open elements", maxDepth)
				break
			}
			opens[open] = len(ops)
			open++
			n, on := d.element(c, dep)
			if n != nil && n.sym == symEvent {
				on = independent // a record whose data is null is still a record
			}
			ops = append(ops, op{kind: opOpen, name: n, index: on})
			if tok&tokenMore != 0 {
				c.Skip(4, "attribute list size")
			}
		case tokenAttribute:
			ops = append(ops, op{kind: opAttribute, name: d.name(c)})
		case tokenCloseStart:
			ops = append(ops, op{kind: opCloseStart})
		case tokenCloseEmpty, tokenEnd:
			kind := opEnd
			if tok == tokenCloseEmpty {
				kind = opCloseEmpty
			}
			if open == 0 {
				c.Fail("an element ends that did not begin")
				break
			}
			open--
			ops[opens[open]].at = len(ops) - opens[open]
			ops = append(ops, op{kind: kind})
		case tokenValue:
			if t := Type(c.U8("value type")); t != String {
				c.Fail("literal value of type %#x", t)
			}
			ops = append(ops, op{kind: opText, text: Value{String, c.Take(2*int(c.U16("text length")), "text")}})
		case tokenCDATA:
			ops = append(ops, op{kind: opText, text: Value{String, c.Take(2*int(c.U16("CDATA length")), "CDATA")}})
		case tokenCharRef:
			ops = append(ops, op{kind: opText, text: Value{String, c.Take(2, "character reference")}})
		case tokenEntityRef:
			ops = append(ops, op{kind: opText, text: entity(d.name(c))})
		case tokenPITarget:
			ops = append(ops, op{kind: opPI, name: d.name(c)})
		case tokenPIData:
			ops = append(ops, op{kind: opPIData, text: Value{String, c.Take(2*int(c.U16("PI length")), "PI data")}})
		case tokenTemplate:
			ops = append(ops, op{kind: opTemplate, at: c.Off()})
			mark := len(d.vals)
			d.scratch = ops // a definition is compiled behind what is here
			_, err := d.instance(c)
			d.vals = d.vals[:mark]
			if err != nil && c.Err() == nil && !errors.Is(err, errNoTemplate) {
				return ops[:whole], err
			}
		case tokenSubst, tokenOptional:
			i := c.U16("substitution")
			c.Skip(1, "substitution type") // the record tells the type of its value
			ops = append(ops, op{kind: opSubst, optional: tok == tokenOptional, index: i})
		case tokenFragment:
			c.Skip(3, "fragment header")
		default:
			c.Fail("unknown token %#02x", tok)
		}
		if c.Err() != nil {
			return ops[:whole], c.Err()
		}
		if d.steps++; d.steps > maxSteps {
			return ops, cursor.Errorf(c.Pos(), "more than %d steps for one record", maxSteps)
		}
	}
	if open > 0 {
		c.Fail("binary XML ends inside %d elements", open)
	}
	return ops, c.Err()
}

// element reads the head of an element behind its token. Writers disagree on
// where the dependency identifier stands, so a name that cannot be is a reason
// to try the other form.
func (d *decoder) element(c *cursor.Cursor, dep bool) (*name, uint16) {
	if at := c.Off(); d.implausible(at, dep) && !d.implausible(at, !dep) {
		dep = !dep
	}
	on := uint16(independent)
	if dep {
		on = c.U16("dependency")
	}
	c.Skip(4, "element size")
	return d.name(c), on
}

func (d *decoder) implausible(at int, dep bool) bool {
	c := cursor.New(d.buf)
	if c.Seek(at+4, "element size"); dep {
		c.Skip(2, "dependency")
	}
	off := c.U32("name offset")
	return c.Err() != nil || off < chunkHeaderSize || int64(off) > int64(len(d.buf))
}

func entity(n *name) Value {
	if n == nil {
		return Value{}
	}
	switch n.text {
	case "lt":
		return Value{UTF8, []byte("<")}
	case "gt":
		return Value{UTF8, []byte(">")}
	case "amp":
		return Value{UTF8, []byte("&")}
	case "quot":
		return Value{UTF8, []byte(`"`)}
	case "apos":
		return Value{UTF8, []byte("'")}
	}
	return Value{UTF8, []byte("&" + n.text + ";")}
}
