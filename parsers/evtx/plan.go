package evtx

import "strings"

// plan is the short form of a template for the extractor: where each value
// goes, found once for each definition. What a plan cannot say (text put
// together from parts, names that are values) is left to the program itself,
// so that both always give the same record.
type plan struct {
	depth     int // of open elements where it may begin: 0, or 1 inside Event
	container string
	root      string
	system    System // what the template itself says
	hasSystem bool
	items     []planItem
}

type planKind uint8

const (
	planSystem  planKind = iota // a value of System
	planLeaf                    // the value of an element
	planAttr                    // the value of an attribute
	planLiteral                 // a pair that stands in the template
	planNested                  // binary XML inside of Event
)

type planItem struct {
	kind       planKind
	elem, attr sym
	index      int // of the value
	dep        int // the element is left out where this value is null; -1 is never
	pair       Pair
}

// planner walks a program as the extractor would.
type planner struct {
	d       *decoder
	p       *plan
	depth   int
	section sym
	stack   [maxDepth + 1]planElement
	attr    *name
	aidx    int // part of the attribute: an index, or one of the two below
	alit    Value
	scratch Record
}

const (
	partNone    = -1
	partLiteral = -2
)

type planElement struct {
	name  *name
	path  string
	idx   int
	lit   Value
	dep   int // of this element or one around it
	child bool
}

// plan gives the short form of a program, or nil where it has none.
func (d *decoder) plan(ops []op) *plan {
	if len(ops) == 0 || ops[0].kind != opOpen {
		return nil
	}
	g := &d.planner
	*g = planner{d: d, p: &plan{}, scratch: Record{Data: g.scratch.Data[:0]}}
	if ops[0].name.sym != symEvent {
		g.p.depth, g.depth = 1, 1
	}
	g.stack[0].dep, g.stack[1].dep = -1, -1
	ex := extractor{d: d, r: &g.scratch}
	for i := range ops {
		if !g.step(&ops[i], &ex) {
			return nil
		}
	}
	if g.depth != g.p.depth {
		return nil
	}
	g.p.system = g.scratch.System
	return g.p
}

func (g *planner) step(o *op, ex *extractor) bool {
	switch o.kind {
	case opOpen:
		return g.flush(ex) && g.open(o)
	case opAttribute:
		if !g.flush(ex) {
			return false
		}
		g.attr, g.aidx = o.name, partNone
		return true
	case opCloseStart:
		return g.flush(ex)
	case opCloseEmpty, opEnd:
		return g.flush(ex) && g.end(ex)
	case opText:
		return o.text.IsNull() || g.part(partLiteral, o.text)
	case opSubst:
		return g.part(int(o.index), Value{})
	}
	return false
}

func (g *planner) part(idx int, lit Value) bool {
	if g.attr != nil {
		if g.aidx != partNone {
			return false
		}
		g.aidx, g.alit = idx, lit
		return true
	}
	e := &g.stack[g.depth]
	if g.depth == 1 {
		if idx == partLiteral {
			return false
		}
		g.p.items = append(g.p.items, planItem{kind: planNested, index: idx, dep: -1})
		return true
	}
	if g.depth == 0 || e.idx != partNone {
		return false
	}
	e.idx, e.lit = idx, lit
	return true
}

func (g *planner) open(o *op) bool {
	if g.depth >= maxDepth {
		return false
	}
	up := &g.stack[g.depth]
	up.child = true
	g.depth++
	e := &g.stack[g.depth]
	*e = planElement{name: o.name, idx: partNone, dep: up.dep}
	if o.index != independent {
		if up.dep >= 0 {
			return false
		}
		e.dep = int(o.index)
	}
	if g.depth == 2 {
		g.section = o.name.sym
		if o.name.sym == symSystem {
			g.p.hasSystem = true
		} else if g.p.container == "" {
			g.p.container = o.name.text
		}
	}
	e.path = g.d.pathOf(g.depth, g.section, g.stack[g.depth-1].path, g.stack[2].name, o.name)
	if g.depth == 3 && g.section == symUserData {
		g.p.root = o.name.text
	}
	return true
}

func (g *planner) flush(ex *extractor) bool {
	n := g.attr
	if n == nil {
		return true
	}
	g.attr = nil
	if g.aidx == partNone || g.depth < 2 {
		return g.aidx < 0
	}
	e := &g.stack[g.depth]
	switch {
	case g.section == symSystem:
		if g.depth != 3 {
			return true
		}
		if g.aidx == partLiteral {
			ex.system(e.name.sym, n.sym, g.alit)
			return e.dep < 0
		}
		g.p.items = append(g.p.items, planItem{kind: planSystem, elem: e.name.sym, attr: n.sym, index: g.aidx, dep: e.dep})
	case g.depth == 3 && n.sym == symName:
		if g.aidx != partLiteral {
			return false
		}
		e.path = g.d.text(g.alit)
	case strings.HasPrefix(n.text, "xmlns"):
	default:
		name := g.d.path(e.path, "@", n.text)
		if g.aidx == partLiteral {
			g.p.items = append(g.p.items, planItem{kind: planLiteral, dep: e.dep, pair: Pair{name, g.alit}})
			break
		}
		g.p.items = append(g.p.items, planItem{kind: planAttr, index: g.aidx, dep: e.dep, pair: Pair{Name: name}})
	}
	return true
}

func (g *planner) end(ex *extractor) bool {
	if g.depth <= g.p.depth {
		return false
	}
	e := &g.stack[g.depth]
	switch {
	case g.depth < 2:
	case g.depth == 3 && g.section == symSystem:
		switch e.idx {
		case partNone:
		case partLiteral:
			ex.system(e.name.sym, symOther, e.lit)
			if e.dep >= 0 {
				return false
			}
		default:
			g.p.items = append(g.p.items, planItem{kind: planSystem, elem: e.name.sym, index: e.idx, dep: e.dep})
		}
	case g.section == symSystem:
	case e.idx >= 0:
		if e.child || g.depth == 2 {
			return false // a value among elements: the program knows when it counts
		}
		g.p.items = append(g.p.items, planItem{kind: planLeaf, index: e.idx, dep: e.dep, pair: Pair{Name: e.path}})
	case e.idx == partLiteral || !e.child && g.depth > 2:
		g.p.items = append(g.p.items, planItem{kind: planLiteral, dep: e.dep, pair: Pair{e.path, e.lit}})
	}
	g.depth--
	return true
}

// fits is true where no value of this record asks for more than the plan can
// say.
func (d *decoder) fits(p *plan, first, n int) bool {
	for i := range p.items {
		it := &p.items[i]
		if (it.kind == planSystem || it.kind == planLeaf || it.kind == planAttr) && it.index < n && d.vals[first+it.index].typ == BinXML {
			return false
		}
	}
	return true
}

// follow fills the record by the plan.
func (d *decoder) follow(p *plan, first, n, nest int) error {
	x := &d.ex
	r := x.r
	if p.hasSystem {
		r.System = p.system
	}
	if r.Container == "" {
		r.Container = p.container
	}
	if p.root != "" {
		r.Root = p.root
	}
	d.steps += len(p.items)
	for i := range p.items {
		it := &p.items[i]
		if it.dep >= 0 && it.dep < n && d.vals[first+it.dep].typ == Null {
			continue
		}
		if it.kind == planLiteral {
			r.Data = append(r.Data, it.pair)
			continue
		}
		var s slot
		if it.index < n {
			s = d.vals[first+it.index]
		}
		if it.kind == planNested {
			if s.typ == BinXML {
				depth := x.depth
				x.depth = 1
				err := d.fragment(s.off, s.off+s.size, false, nest+1, x)
				if x.depth = depth; err != nil {
					return err
				}
				continue
			}
			if v := d.value(s); !v.IsNull() {
				r.Data = append(r.Data, Pair{"Event", v})
			}
			continue
		}
		v := Value{s.typ, nil}
		if s.size > 0 {
			v = d.value(s)
		}
		switch {
		case it.kind == planSystem:
			if s.size > 0 && s.typ != Null {
				x.system(it.elem, it.attr, v)
			}
		case it.kind == planAttr && v.IsNull():
		case it.kind == planLeaf && v.IsNull():
			r.Data = append(r.Data, Pair{Name: it.pair.Name})
		case it.kind == planLeaf && v.Type&Array != 0:
			for item := range v.Items {
				r.Data = append(r.Data, Pair{it.pair.Name, item})
				d.steps++
			}
		default:
			r.Data = append(r.Data, Pair{it.pair.Name, v})
		}
	}
	return nil
}
