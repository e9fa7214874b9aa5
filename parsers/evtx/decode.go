package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"kanshiki/parsers/internal/cursor"
)

// errNoTemplate says that the definition of a template is no longer where the
// record points to, and no other chunk has had it.
var errNoTemplate = errors.New("template definition is not there")

// decoder reads the records of one chunk after the other. Programs live as
// long as their chunk, names and strings as long as the decoder.
type decoder struct {
	buf  []byte // the chunk; offsets in binary XML count from its start
	base int64  // of the chunk in the file

	names   map[string]*name
	strings map[string]string
	paths   map[pathKey]string
	known   map[uint32][]op // by the first part of the template's GUID

	templates map[uint32]template // by offset of the definition in the chunk
	arena     []op
	scratch   []op
	vals      []slot
	steps     int
	defining  int // definitions that are being compiled
	borrowed  bool

	ex      extractor
	planner planner
	items   []planItem // of the plans of this chunk
}

type pathKey struct{ parent, child string }

type template struct {
	id   uint32
	ops  []op
	plan *plan
	err  error
}

// slot is a value of a template instance.
type slot struct {
	off, size int
	typ       Type
}

func newDecoder() *decoder {
	return &decoder{
		names:     map[string]*name{},
		strings:   map[string]string{},
		paths:     map[pathKey]string{},
		known:     map[uint32][]op{},
		templates: map[uint32]template{},
	}
}

func (d *decoder) reset(b []byte, base int64) {
	d.buf, d.base = b, base
	clear(d.templates)
	d.arena, d.items = d.arena[:0], d.items[:0]
}

// sink takes the parts of an event in document order.
type sink interface {
	open(n *name) error
	attribute(n *name)
	closeStart()
	end(empty bool)
	value(v Value, optional bool) error
	pi(n *name, v Value)
}

// record fills r from its binary XML.
func (d *decoder) record(r *Record) error {
	d.steps, d.borrowed, d.vals = 0, false, d.vals[:0]
	d.ex.begin(d, r)
	err := d.fragment(r.start, r.end, true, 0, &d.ex)
	r.Borrowed = d.borrowed
	return err
}

// fragment reads binary XML between two places of the chunk.
func (d *decoder) fragment(from, to int, dep bool, nest int, s sink) error {
	if nest > maxNest {
		return cursor.Errorf(d.base+int64(from), "binary XML nested more than %d times", maxNest)
	}
	c := cursor.At(d.buf[:to], d.base)
	c.Seek(from, "binary XML")
	for done := false; c.Left() > 0; done = true {
		switch c.U8("token") {
		case tokenEOF:
			return nil
		case tokenFragment:
			if done {
				return nil // padding
			}
			c.Skip(3, "fragment header")
		case tokenTemplate:
			if err := d.apply(c, nest, s); err != nil {
				return err
			}
		default:
			c.Seek(c.Off()-1, "token")
			mark := len(d.scratch)
			ops, err := d.compile(c, dep, d.scratch)
			d.scratch = ops
			if runErr := d.run(mark, nil, 0, 0, nest, s); runErr != nil {
				err = runErr
			}
			d.scratch = d.scratch[:mark]
			return err
		}
	}
	return c.Err()
}

// apply reads a template instance behind its token and runs its program.
func (d *decoder) apply(c *cursor.Cursor, nest int, s sink) error {
	if nest > maxNest {
		return cursor.Errorf(c.Pos(), "templates nested more than %d times", maxNest)
	}
	mark := len(d.vals)
	defer func() { d.vals = d.vals[:mark] }()
	t, err := d.instance(c)
	n := len(d.vals) - mark
	if errors.Is(err, errNoTemplate) && c.Err() == nil {
		return d.nameless(mark, n, nest, s, cursor.Errorf(c.Pos(), "%v; %d values have no names", err, n))
	}
	if err != nil {
		return err
	}
	if p := t.plan; p != nil && s == sink(&d.ex) && d.ex.depth == p.depth && d.ex.attr == nil && d.fits(p, mark, n) {
		return d.follow(p, mark, n, nest)
	}
	return d.run(-1, t.ops, mark, n, nest, s)
}

// instance reads a template instance and puts its values on the stack.
func (d *decoder) instance(c *cursor.Cursor) (template, error) {
	c.Skip(1, "template version")
	id := c.U32("template identifier")
	def := c.U32("template definition offset")
	if c.Err() == nil && int64(def) == int64(c.Off()) {
		c.Skip(20, "template definition header")
		c.Skip(int(min(c.U32("template size"), ChunkSize+1)), "template definition")
	}
	n := int(min(c.U32("number of values"), ChunkSize))
	desc := c.Take(4*n, "value descriptors")
	if c.Err() != nil {
		return template{}, c.Err()
	}
	off := c.Off()
	for ; len(desc) >= 4; desc = desc[4:] {
		v := slot{off, int(binary.LittleEndian.Uint16(desc)), Type(desc[2])}
		if off += v.size; off > len(d.buf) {
			break
		}
		d.vals = append(d.vals, v)
	}
	if c.Seek(off, "values"); c.Err() != nil {
		return template{}, c.Err()
	}
	return d.template(def, id)
}

// template gives the program of a definition. A definition that does not have
// the identifier is not the one that the record was written with.
func (d *decoder) template(def, id uint32) (template, error) {
	t, ok := d.templates[def]
	if !ok {
		if d.defining >= maxNest {
			return template{}, fmt.Errorf("%w: definitions nested more than %d times", errNoTemplate, maxNest)
		}
		// A definition that contains itself finds this and ends.
		d.templates[def] = template{id: id, err: errors.New("template contains itself")}
		d.defining++
		t = d.define(def)
		d.defining--
		d.templates[def] = t
	}
	if t.err == nil && t.id == id {
		return t, nil
	}
	if ops := d.known[id]; ops != nil {
		d.borrowed = true
		return template{id: id, ops: ops}, nil
	}
	if t.err != nil && t.id == id {
		return template{}, fmt.Errorf("%w: %w", errNoTemplate, t.err)
	}
	return template{}, errNoTemplate
}

func (d *decoder) define(def uint32) template {
	c := cursor.At(d.buf, d.base)
	c.Seek(int(min(def, ChunkSize+1)), "template definition")
	c.Skip(4, "next template")
	id := c.U32("template GUID")
	c.Skip(12, "template GUID")
	size := int(min(c.U32("template size"), ChunkSize+1))
	start := c.Off()
	c.Skip(size, "template definition")
	if c.Err() != nil {
		return template{id: id, err: c.Err()}
	}
	body := cursor.At(d.buf[:start+size], d.base)
	body.Seek(start, "template definition")
	mark := len(d.scratch)
	ops, err := d.compile(body, true, d.scratch)
	d.scratch = ops[:mark]
	if err != nil {
		return template{id: id, err: err}
	}
	ops = d.keep(ops[mark:])
	if _, ok := d.known[id]; !ok && len(d.known) < maxKnown && portable(ops) {
		own := append([]op(nil), ops...)
		for i := range own {
			own[i].text.Raw = bytes.Clone(own[i].text.Raw)
		}
		d.known[id] = own
	}
	return template{id: id, ops: ops, plan: d.plan(ops)}
}

// portable is false for a program that refers to a place in its chunk.
func portable(ops []op) bool {
	for i := range ops {
		if ops[i].kind == opTemplate {
			return false
		}
	}
	return true
}

// keep moves a program to where it stays until the chunk is done.
func (d *decoder) keep(ops []op) []op {
	if cap(d.arena)-len(d.arena) < len(ops) {
		d.arena = make([]op, 0, max(4096, len(ops)))
	}
	at := len(d.arena)
	d.arena = append(d.arena, ops...)
	return d.arena[at:len(d.arena):len(d.arena)]
}

// run executes a program with n values from first on. A program in the scratch
// area is given by its place, since nested fragments move that area.
func (d *decoder) run(scratch int, ops []op, first, n, nest int, s sink) error {
	count := len(ops)
	if scratch >= 0 {
		count = len(d.scratch) - scratch
	}
	for i := 0; i < count; i++ {
		if d.steps++; d.steps > maxSteps {
			return cursor.Errorf(d.base, "more than %d steps for one record", maxSteps)
		}
		var o *op
		if scratch >= 0 {
			o = &d.scratch[scratch+i]
		} else {
			o = &ops[i]
		}
		var err error
		switch o.kind {
		case opOpen:
			if on := int(o.index); on < n && o.at > 0 && d.vals[first+on].typ == Null {
				i += o.at
				continue
			}
			err = s.open(o.name)
		case opAttribute:
			s.attribute(o.name)
		case opCloseStart:
			s.closeStart()
		case opCloseEmpty:
			s.end(true)
		case opEnd:
			s.end(false)
		case opText:
			err = s.value(o.text, false)
		case opSubst:
			err = d.substitute(o, first, n, nest, s)
		case opTemplate:
			c := cursor.At(d.buf, d.base)
			c.Seek(o.at, "template instance")
			err = d.apply(c, nest+1, s)
		case opPI:
			s.pi(o.name, Value{})
		case opPIData:
			s.pi(nil, o.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) substitute(o *op, first, n, nest int, s sink) error {
	if int(o.index) >= n {
		return s.value(Value{}, o.optional)
	}
	v := d.vals[first+int(o.index)]
	if v.typ == BinXML {
		return d.fragment(v.off, v.off+v.size, false, nest+1, s)
	}
	return s.value(d.value(v), o.optional)
}

func (d *decoder) value(v slot) Value {
	c := cursor.New(d.buf)
	c.Seek(v.off, "value")
	return Value{v.typ, c.Take(v.size, "value")}
}

// nameless gives the values of an instance whose template is lost; binary XML
// among them may still have its own. It returns the error that it is given,
// or another.
func (d *decoder) nameless(first, n, nest int, s sink, lost error) error {
	ex, ok := s.(*extractor)
	if !ok {
		return lost
	}
	from := 0
	ex.r.Nameless = true
	if ex.depth == 0 {
		ex.depth = 1
		defer func() { ex.depth = 0 }()
		from = d.fixedSlots(first, n, ex)
	}
	for i := from; i < n; i++ {
		v := d.vals[first+i]
		if v.typ == BinXML && ex.depth == 1 {
			if err := d.fragment(v.off, v.off+v.size, false, nest+1, s); err != nil {
				lost = err
			}
			continue
		}
		for item := range d.value(v).Items {
			ex.r.Data = append(ex.r.Data, Pair{Value: item})
		}
	}
	return lost
}

// fixedSlots fills System from the places that its values have in every
// template that the service makes for the outer part of an event, and returns
// how many values that were. There are two forms; both were found in all 480
// logs of the corpus of known files, and the types are checked here. Computer
// is never among the values.
func (d *decoder) fixedSlots(first, n int, ex *extractor) int {
	at := func(i int) Value { return d.value(d.vals[first+i]) }
	if n < 18 || at(0).Type != UInt8 || at(2).Type != UInt16 || at(3).Type != UInt16 ||
		at(5).Type != HexInt64 || at(6).Type != FileTime || at(10).Type != UInt64 {
		return 0
	}
	set := func(elem, attr sym, i int) {
		if v := at(i); !v.IsNull() {
			d.system(&ex.r.System, elem, attr, v)
		}
	}
	set(symLevel, symOther, 0)
	set(symOpcode, symOther, 1)
	set(symTask, symOther, 2)
	set(symEventID, symOther, 3)
	set(symEventID, symQualifiers, 4)
	set(symKeywords, symOther, 5)
	set(symTimeCreated, symSystemTime, 6)
	set(symCorrelation, symActivityID, 7)
	set(symExecution, symProcessID, 8)
	set(symExecution, symThreadID, 9)
	set(symEventRecordID, symOther, 10)
	set(symVersion, symOther, 11)
	set(symSecurity, symUserID, 12)
	if at(14).Type == String { // provider and channel are values too
		set(symCorrelation, symRelatedActivityID, 13)
		set(symProvider, symName, 14)
		set(symProvider, symGUID, 15)
		set(symChannel, symOther, 16)
		return 17
	}
	if n < 19 {
		return 18
	}
	set(symCorrelation, symRelatedActivityID, 18)
	return 19
}

// text gives the one copy of a string that is likely to come again.
func (d *decoder) text(v Value) string {
	if v.Type != String {
		return v.String()
	}
	if s, ok := d.strings[string(v.Raw)]; ok {
		return s
	}
	if len(d.strings) >= maxKnown {
		clear(d.strings)
	}
	s := v.String()
	d.strings[string(v.Raw)] = s
	return s
}

func (d *decoder) path(parent, sep, child string) string {
	k := pathKey{parent, child}
	if sep == "@" {
		k.child = "@" + child
	}
	if s, ok := d.paths[k]; ok {
		return s
	}
	if len(d.paths) >= maxKnown {
		clear(d.paths)
	}
	s := parent + sep + child
	d.paths[k] = s
	return s
}
