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
	dep        deps
	pair       Pair
}

// deps is the values that an element depends on, its own and that of an
// element around it; it is left out where one of them is null.
type deps [2]int

var noDeps = deps{-1, -1}

func (p deps) none() bool { return p == noDeps }

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
	items   []planItem
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
	dep   deps
	child bool
}

// plan gives the short form of a program, or nil where it has none.
func (d *decoder) plan(ops []op) *plan {
	if len(ops) == 0 || ops[0].kind != opOpen {
		return nil
	}
	g := &d.planner
	g.d, g.p, g.depth, g.section, g.attr = d, &plan{}, 0, symOther, nil
	g.items = g.items[:0]
	if ops[0].name.sym != symEvent {
		g.p.depth, g.depth = 1, 1
	}
	g.stack[0].dep, g.stack[1].dep = noDeps, noDeps
	for i := range ops {
		if !g.step(&ops[i]) {
			return nil
		}
	}
	if g.depth != g.p.depth {
		return nil
	}
	if cap(d.items)-len(d.items) < len(g.items) {
		d.items = make([]planItem, 0, max(1024, len(g.items)))
	}
	at := len(d.items)
	d.items = append(d.items, g.items...)
	g.p.items = d.items[at:len(d.items):len(d.items)]
	return g.p
}

func (g *planner) step(o *op) bool {
	switch o.kind {
	case opOpen:
		return g.flush() && g.open(o)
	case opAttribute:
		if !g.flush() {
			return false
		}
		g.attr, g.aidx = o.name, partNone
		return true
	case opCloseStart:
		return g.flush()
	case opCloseEmpty, opEnd:
		return g.flush() && g.end()
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
		g.items = append(g.items, planItem{kind: planNested, index: idx, dep: g.stack[1].dep})
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
		if e.dep[1] >= 0 {
			return false
		}
		e.dep = deps{int(o.index), e.dep[0]}
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

func (g *planner) flush() bool {
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
			g.d.system(&g.p.system, e.name.sym, n.sym, g.alit)
			return e.dep.none()
		}
		g.items = append(g.items, planItem{kind: planSystem, elem: e.name.sym, attr: n.sym, index: g.aidx, dep: e.dep})
	case g.depth == 3 && n.sym == symName:
		if g.aidx != partLiteral {
			return false
		}
		e.path = g.d.text(g.alit)
	case strings.HasPrefix(n.text, "xmlns"):
	default:
		name := g.d.path(e.path, "@", n.text)
		if g.aidx == partLiteral {
			g.items = append(g.items, planItem{kind: planLiteral, dep: e.dep, pair: Pair{name, g.alit}})
			break
		}
		g.items = append(g.items, planItem{kind: planAttr, index: g.aidx, dep: e.dep, pair: Pair{Name: name}})
	}
	return true
}

func (g *planner) end() bool {
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
			g.d.system(&g.p.system, e.name.sym, symOther, e.lit)
			if !e.dep.none() {
				return false
			}
		default:
			g.items = append(g.items, planItem{kind: planSystem, elem: e.name.sym, index: e.idx, dep: e.dep})
		}
	case g.section == symSystem:
	case e.idx >= 0:
		if e.child || g.depth == 2 {
			return false // a value among elements: the program knows when it counts
		}
		g.items = append(g.items, planItem{kind: planLeaf, index: e.idx, dep: e.dep, pair: Pair{Name: e.path}})
	case e.idx == partLiteral || !e.child && g.depth > 2:
		g.items = append(g.items, planItem{kind: planLiteral, dep: e.dep, pair: Pair{e.path, e.lit}})
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

func (d *decoder) null(dep, first, n int) bool {
	return dep >= 0 && dep < n && d.vals[first+dep].typ == Null
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
		if d.null(it.dep[0], first, n) || d.null(it.dep[1], first, n) {
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
				for item := range v.Items {
					r.Data = append(r.Data, Pair{"Event", item})
				}
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
				d.system(&r.System, it.elem, it.attr, v)
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
