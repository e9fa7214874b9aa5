package event

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"kanshiki/forensics/locator"
)

func TestTicksAgreeWithTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x := Ticks(r.Uint64N(lastTicks) + 1)
		want := x.Time().Format("2006-01-02T15:04:05.0000000Z")
		if got := x.String(); got != want {
			t.Fatalf("%d: %s, want %s", x, got, want)
		}
		if back := FromTime(x.Time()); back != x {
			t.Fatalf("%d came back as %d", x, back)
		}
	}
	for s, want := range map[Ticks]string{0: "", lastTicks: "9999-12-31T23:59:59.9999999Z", lastTicks + 1: "", 1: "1601-01-01T00:00:00.0000001Z"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}

func TestPrecision(t *testing.T) {
	x := FromTime(time.Date(2011, 8, 24, 0, 31, 7, 184567800, time.UTC))
	for p, want := range map[Precision]string{
		Exact: "2011-08-24T00:31:07.1845678Z", Micro: "2011-08-24T00:31:07.184567Z", Milli: "2011-08-24T00:31:07.184Z",
		Second: "2011-08-24T00:31:07Z", Day: "2011-08-24",
	} {
		if got := x.Format(p); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

func TestFieldsAreJSON(t *testing.T) {
	in := "a\"\\\x00\x7f\n\u2028é\xff"
	b := AppendFields(nil, []Field{Str("t", in), Int("n", -5), Uint("u", uint64(1)<<63), Hex("h", uint32(0x1f)), Bool("b", true), List("l", []string{"x", "y"}), When("w", 0)})
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if m["t"] != "a\"\\\x00\x7f\n\u2028é\ufffd" || m["h"] != "0x1f" || m["b"] != true || len(m["l"].([]any)) != 2 {
		t.Errorf("%v", m)
	}
}

func TestIdentify(t *testing.T) {
	var x, y Identifier
	a := Event{Artifact: "a/b", Meaning: "last run", Ticks: 5, Fields: []Field{Str("n", "v")}}
	b, c, d := a, a, a
	b.At = locator.Locator{Volume: 7, Snapshot: 2} // another place
	c.Recovered = InSlack                          // the twin in slack
	d.Fields = []Field{Str("nv", "")}              // other content that concatenates alike
	x.Identify(&a)
	x.Identify(&c)
	y.Identify(&b)
	y.Identify(&d)
	if a.ID != b.ID || a.ID != c.ID {
		t.Error("the same record in another place or state got another id")
	}
	if a.ID == d.ID {
		t.Error("different content, same id")
	}
	e := a
	x.Identify(&e)
	if e.ID == a.ID {
		t.Error("two equal records of one source share an id")
	}
	if got, err := ParseID(a.ID.String()); err != nil || got != a.ID {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMarks(t *testing.T) {
	if got := Marks(SIModified | SIChanged | SIBorn | FNBorn); got != "$SI m.cb  $FN ...b" {
		t.Error(got)
	}
}

func BenchmarkIdentify(b *testing.B) {
	b.ReportAllocs()
	var x Identifier
	e := Event{Artifact: "filesystem/mft", Meaning: "$SI m.cb  $FN ...b", Path: "Windows/System32/drivers/etc/hosts", Fields: []Field{Int("size", 824)}}
	for b.Loop() {
		e.Ticks++
		x.Identify(&e)
	}
}
