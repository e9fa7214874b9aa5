package secondreader

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
)

// comparer merges our walk with the rows of the second reader; both are in the
// order of the $MFT.
type comparer struct {
	*model
	ctx    context.Context
	n      *filesystem.NTFS
	o      Options
	volume int64 // its size in bytes
	emit   func(Difference) error
	next   func() (*filesystem.Entry, error, bool)
	stop   func()
	cur    *filesystem.Entry // ours that comes next, nil at the end
	counts map[Cause]int
	sum    Summary
	last   int64 // place of the last row
	buf    []byte
	numbers

	// Of the entry that is being compared:
	path    string
	seen    *view
	differs bool
	err     error
}

func newComparer(ctx context.Context, n *filesystem.NTFS, o Options, size int64, emit func(Difference) error) *comparer {
	c := &comparer{model: newModel(n), ctx: ctx, n: n, o: o, volume: size, emit: emit, counts: map[Cause]int{}, last: -1}
	c.r, c.numbers.size = c.vol.Medium()
	c.next, c.stop = iter.Pull2(n.Walk(ctx))
	c.sum.Places = n.Slots()
	c.advance()
	return c
}

func (c *comparer) advance() {
	e, err, ok := c.next()
	if c.cur = e; !ok || err != nil {
		c.cur = nil
	}
	if err != nil {
		c.err = err
	}
}

// take compares a piece of the result.
func (c *comparer) take(b batch) error {
	for i := range b.Rows {
		r := &b.Rows[i]
		place, ok := c.place(r, b)
		if !ok {
			c.onlyTheirs(r, r.Entry, b.To > c.sum.Places)
			continue
		}
		c.before(uint64(place))
		c.last = place
		if c.cur != nil && c.cur.Ref.Entry == uint64(place) {
			c.both(c.cur, r)
			c.advance()
		} else {
			c.onlyTheirs(r, place, uint64(place) >= c.sum.Places)
		}
		if c.err != nil {
			return c.err
		}
	}
	if b.Done {
		c.before(b.To)
		c.sum.Reached = max(c.sum.Reached, min(b.To, c.sum.Places))
		c.o.Progress(int(min(b.To-min(b.From, b.To), window)))
	}
	return c.err
}

// before tells of our entries that the second reader passed over.
func (c *comparer) before(place uint64) {
	for c.cur != nil && c.err == nil && c.cur.Ref.Entry < place {
		c.onlyOurs(c.cur)
		c.advance()
	}
}

// rest counts what the second reader did not come to.
func (c *comparer) rest() error {
	for c.cur != nil {
		c.sum.NotReached++
		c.advance()
	}
	return c.err
}

func (c *comparer) summary() *Summary {
	for _, r := range Reasons {
		if k := c.counts[r.Cause]; k > 0 {
			c.sum.Causes = append(c.sum.Causes, Count{r.Cause, k})
		}
	}
	return &c.sum
}

// place finds the record that a row is about. The row has the number that stands
// in the record, which need not be that of its place.
func (c *comparer) place(r *row, b batch) (int64, bool) {
	if r.Entry > c.last && uint64(r.Entry) >= b.From && uint64(r.Entry) < b.To {
		if _, odd := c.oddNumber(uint64(r.Entry)); !odd {
			return r.Entry, true
		}
	}
	for p := max(c.last+1, int64(b.From)); p < int64(b.To); p++ {
		if number, odd := c.oddNumber(uint64(p)); odd && int64(number) == r.Entry {
			return p, true
		}
	}
	return 0, false
}

// oddNumber tells whether the second reader takes another number for the entry
// at a place, and which.
func (c *comparer) oddNumber(place uint64) (number uint32, odd bool) {
	f, ok := c.cat.File(place)
	if !ok {
		return 0, false
	}
	number, ok = c.numbers.at(f.Offset())
	return number, ok && number != uint32(place)
}

// begin sets the entry that differences are about.
func (c *comparer) begin(path string) { c.path, c.seen, c.differs = path, nil, false }

// viewOf is the view of the entry that is being compared.
func (c *comparer) viewOf(num uint64) *view {
	if c.seen == nil {
		c.seen = c.view(num)
	}
	return c.seen
}

// differ tells of one difference. Where no fault explains it, and the record
// is damaged, the damage does.
func (c *comparer) differ(d Difference, causes ...Cause) {
	d.Causes = withoutEmpty(causes)
	if d.Path == "" {
		d.Path = c.path
	}
	if len(d.Causes) == 0 {
		d.Causes = []Cause{Unexplained}
		if f, ok := c.cat.File(d.Entry); ok && f.HasDamage() {
			ds := f.Damage()
			d.Causes, d.Detail = []Cause{DamagedRecord}, "damage not listed"
			if len(ds) > 0 {
				d.Detail = ds[0].Error()
			}
		}
	}
	c.differs = true
	c.sum.Differences++
	for _, cause := range d.Causes {
		c.counts[cause]++
		if cause == Unexplained {
			c.sum.Unexplained++
		}
	}
	if c.err == nil {
		c.err = c.emit(d)
	}
}

func withoutEmpty(causes []Cause) (out []Cause) {
	for _, cause := range causes {
		out = withCause(out, cause)
	}
	return out
}

func (c *comparer) onlyOurs(e *filesystem.Entry) {
	c.begin(firstPath(e))
	c.sum.OnlyOurs++
	f, _ := c.cat.File(e.Ref.Entry)
	v := c.viewOf(e.Ref.Entry)
	_, hasInfo := f.Info()
	var cause Cause
	switch {
	case !v.ok:
		cause = NoSignature
	case len(v.names) > 0 && v.si:
		// It should have been shown.
	case v.cut != "":
		cause = v.cut
	case len(e.Names) == 0 || !hasInfo:
		cause = NothingToShow
	case f.HasDamage():
		cause = DamagedRecord
	default:
		cause = NotListed
	}
	c.differ(Difference{Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, Field: Presence, Ours: string(e.State)}, cause)
}

func (c *comparer) onlyTheirs(r *row, place int64, beyond bool) {
	path := ""
	if len(r.Paths) > 0 {
		path = r.Paths[0]
	}
	c.begin(path)
	c.sum.OnlyTheirs++
	var cause Cause
	switch v := c.viewOf(uint64(max(place, 0))); {
	case beyond:
		cause = BeyondMFT
	case !v.ok:
		cause = NoSignature
	case v.rec.Base != 0:
		cause = ExtensionShown
	}
	theirs := "deleted"
	if r.InUse {
		theirs = "in use"
	}
	c.differ(Difference{Entry: uint64(max(r.Entry, 0)), Sequence: r.Sequence, Field: Presence, Theirs: theirs}, cause)
}

func firstPath(e *filesystem.Entry) string {
	if len(e.Names) == 0 {
		return ""
	}
	return e.Names[0].Path
}

// both compares the values of an entry that both give.
func (c *comparer) both(e *filesystem.Entry, r *row) {
	c.begin(firstPath(e))
	c.sum.Compared++
	f, _ := c.cat.File(e.Ref.Entry)
	say := func(field Field, ours, theirs string, causes ...Cause) {
		c.differ(Difference{Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, Field: field, Ours: ours, Theirs: theirs}, causes...)
	}
	odd := uint64(r.Entry) != e.Ref.Entry
	if odd {
		say(Presence, "entry "+strconv.FormatUint(e.Ref.Entry, 10), "entry "+strconv.FormatInt(r.Entry, 10), NumberInRecord)
	}
	if r.InUse != f.InUse() {
		say(InUse, strconv.FormatBool(f.InUse()), strconv.FormatBool(r.InUse))
	}
	if r.Sequence != f.Ref().Seq() {
		say(Sequence, strconv.Itoa(int(f.Ref().Seq())), strconv.Itoa(int(r.Sequence)))
	}
	if r.Dir != f.IsDir() {
		say(Directory, strconv.FormatBool(f.IsDir()), strconv.FormatBool(r.Dir))
	}
	c.times(say, siFields, ticksOf(e.SI), r.SI)
	c.times(say, fnFields, c.nameTimes(e, r), r.FN)
	c.streams(e, f, r)
	if !odd { // its paths and contents are those of the entry whose number it has
		c.paths(e, f, r)
		c.contents(e, f, r)
	}
	if c.differs {
		c.sum.Differ++
	} else {
		c.sum.Agree++
	}
}

func ticksOf(t filesystem.Times) [4]event.Ticks {
	return [4]event.Ticks{t.Created, t.Modified, t.Changed, t.Accessed}
}

// nameTimes are the times of the $FILE_NAME that the second reader sees first.
// That may be a DOS name, which our entry leaves out.
func (c *comparer) nameTimes(e *filesystem.Entry, r *row) [4]event.Ticks {
	if len(e.Names) > 0 {
		t := ticksOf(e.Names[0].Times)
		same := true
		for i := range t {
			same = same && secondTime(t[i]) == r.FN[i]
		}
		if same {
			return t
		}
	}
	if v := c.viewOf(e.Ref.Entry); len(v.names) > 0 {
		return ticksOf(filesystem.TimesOf(v.names[0].Times))
	}
	return [4]event.Ticks{}
}

const epoch = 116444736000000000 // 1970 in ticks

// secondTime is a time as the second reader gives it, in nanoseconds since
// 1970: it reckons in 64 bits, and what is too large wraps.
func secondTime(t event.Ticks) int64 { return int64((uint64(t) - epoch) * 100) }

func (c *comparer) times(say func(Field, string, string, ...Cause), fields [4]Field, ours [4]event.Ticks, theirs [4]int64) {
	for i, t := range ours {
		wrapped := secondTime(t)
		exact := wrapped%100 == 0 && uint64(wrapped/100)+epoch == uint64(t)
		if wrapped == theirs[i] && exact {
			continue
		}
		var cause Cause
		if wrapped == theirs[i] {
			cause = TimeOverflow
		}
		say(fields[i], timeText(t), time.Unix(0, theirs[i]).UTC().Format("2006-01-02T15:04:05.000000000Z"), cause)
	}
}

func timeText(t event.Ticks) string {
	switch {
	case t.Valid():
		return t.Format(event.Exact)
	case t == 0:
		return "not set"
	}
	return fmt.Sprintf("%d ticks", uint64(t))
}
