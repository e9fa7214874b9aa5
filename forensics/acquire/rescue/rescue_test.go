package rescue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/acquire/faulty"
)

const window1 = 1 << 20

// drain reads a medium from off to its end.
func drain(t *testing.T, r *Reader, src Source, off int64) ([]byte, []Bad, error) {
	t.Helper()
	out := make([]byte, 0, src.Size()-off)
	var bad []Bad
	p := device.Alloc(window1)
	for off < src.Size() {
		w := p[:min(window1, src.Size()-off)]
		b, err := r.Read(t.Context(), w, off)
		if err != nil {
			return out, bad, err
		}
		bad = append(bad, b...)
		out = append(out, w...)
		off += int64(len(w))
	}
	return out, bad, nil
}

// compare holds what was read against the medium and tells how many good
// sectors were lost.
func compare(t *testing.T, src *faulty.Source, got []byte, bad []Bad) int {
	t.Helper()
	listed := map[int64]bool{}
	for _, b := range bad {
		for i := range b.Count {
			if listed[b.Sector+i] {
				t.Errorf("sector %d is listed twice", b.Sector+i)
			}
			listed[b.Sector+i] = true
		}
	}
	lost, err := src.Lost(got, listed)
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

func count(bad []Bad) (n int64) {
	for _, b := range bad {
		n += b.Count
	}
	return n
}

func TestPlanLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		src  *faulty.Source
		lost int
	}{
		{"unbuffered", &faulty.Source{}, 0},
		// A bad sector takes its page of 8 with it; the third and the fourth spot
		// are whole pages.
		{"page cache", &faulty.Source{Page: 4096}, 7 + 5 + 0 + 0 + 7},
		{"short reads", &faulty.Source{Short: 100_000}, 0},
		{"odd short reads", &faulty.Source{Short: 12_345}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := c.src
			src.Data, src.Faults = faulty.Medium(40<<20), faulty.Plan()
			got, bad, err := drain(t, New(src, Options{Retries: 1}), src, 0)
			if err != nil {
				t.Fatal(err)
			}
			if lost := compare(t, src, got, bad); lost != c.lost {
				t.Errorf("%d good sectors lost, want %d", lost, c.lost)
			}
			if n := count(bad); n != 77+int64(c.lost) {
				t.Errorf("%d sectors listed, want %d", n, 77+c.lost)
			}
			for _, b := range bad {
				if b.Tries != 2 || b.What != syscall.EIO.Error() {
					t.Errorf("%+v: want 2 tries, %v", b, syscall.EIO)
				}
			}
		})
	}
}

// The runs of the plan come out as they were put in.
func TestRuns(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(40 << 20), Faults: faulty.Plan()}
	_, bad, err := drain(t, New(src, Options{}), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []Bad
	for _, f := range src.Faults {
		want = append(want, Bad{f.First, f.Count, syscall.EIO.Error(), 1, 0})
	}
	for i := range bad {
		bad[i].Took = 0 // the machine's own time
	}
	if !slices.Equal(bad, want) {
		t.Errorf("got  %v\nwant %v", bad, want)
	}
}

// A single bad sector costs three failed reads: of the window, of the piece, of
// itself.
func TestFewReadsFail(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(2 << 20), Faults: []faulty.Fault{{First: 1000, Count: 1}}}
	if _, _, err := drain(t, New(src, Options{}), src, 0); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, r := range src.Reads() {
		if !r.OK {
			failed++
		}
	}
	if failed != 3 {
		t.Errorf("%d reads failed, want 3", failed)
	}
}

func TestSectorSizesAndOddEnd(t *testing.T) {
	for _, size := range []int{512, 4096} {
		n := 3<<20 + 5*size + 100 // a file: its last sector is cut off
		last := int64(n / size)
		src := &faulty.Source{Bytes: size, Data: faulty.Medium(n), Faults: []faulty.Fault{{First: 0, Count: 1}, {First: last, Count: 1}, {First: last - 2, Count: 1}}}
		got, bad, err := drain(t, New(src, Options{}), src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if lost := compare(t, src, got, bad); lost != 0 || count(bad) != 3 {
			t.Errorf("sectors of %d: %d lost, listed %v", size, lost, bad)
		}
	}
}

func TestHeals(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(2 << 20), Faults: []faulty.Fault{{First: 100, Count: 4, Heals: 5}, {First: 3000, Count: 2}}}
	got, bad, err := drain(t, New(src, Options{Retries: 4}), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, src, got, bad)
	if len(bad) != 1 || bad[0].Sector != 3000 || bad[0].Count != 2 || bad[0].Tries != 5 {
		t.Errorf("bad: %+v; want the sectors from 3000 only, tried 5 times", bad)
	}
	// Retries go backwards.
	var order []int64
	for _, r := range src.Reads() {
		if r.Len == 512 && !r.OK && r.Off >= 3000*512 {
			order = append(order, r.Off/512)
		}
	}
	if want := []int64{3000, 3001, 3001, 3000, 3001, 3000, 3001, 3000, 3001, 3000}; !slices.Equal(order, want) {
		t.Errorf("order of tries %v, want %v", order, want)
	}
}

func TestWrongSize(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(1<<20 + 512*7), Stated: 2 << 20}
	got, bad, err := drain(t, New(src, Options{}), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(got)) != src.Size() || len(bad) != 1 || bad[0].Sector != 2048+7 || bad[0].Count != 2048-7 || bad[0].What != "the read was cut short" {
		t.Errorf("%d bytes, bad %v", len(got), bad)
	}
}

// However a medium goes away, it never becomes zeros.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		mute bool
	}{
		{"ENXIO", syscall.ENXIO, true},
		{"EIO, known by its size", syscall.EIO, false},
		{"EIO, and nothing else tells", syscall.EIO, true},
		{"the end, as a pulled disk of size 0 answers", io.EOF, false},
	} {
		for _, at := range []int64{1, 3<<20 + 5000, 8<<20 - 1} {
			src := &faulty.Source{Data: faulty.Medium(8 << 20), GoneAt: at, GoneErr: c.err, Mute: c.mute}
			got, bad, err := drain(t, New(src, Options{Retries: 1}), src, 0)
			if !device.Gone(err) {
				t.Errorf("%s at %d: %d bytes, bad %v, error %v", c.name, at, len(got), bad, err)
			}
			if int64(len(got)) != at/window1*window1 || !bytes.Equal(got, src.Data[:len(got)]) || len(bad) > 0 {
				t.Errorf("%s at %d: handed on %d bytes, bad %v", c.name, at, len(got), bad)
			}
			if n := len(src.Reads()); n > 300 {
				t.Errorf("%s at %d: noticed after %d reads", c.name, at, n)
			}
		}
	}
}

// It goes away in the midst of reading around a bad place.
func TestGoneWhileReadingAround(t *testing.T) {
	for after := 2; after < 60; after++ {
		src := &faulty.Source{Data: faulty.Medium(2 << 20), Faults: []faulty.Fault{{First: 2048, Count: 40}},
			GoneAfter: after, GoneErr: syscall.EIO, Mute: true}
		got, _, err := drain(t, New(src, Options{}), src, 0)
		if !device.Gone(err) || len(got) != window1 {
			t.Fatalf("after %d reads: %d bytes, %v", after, len(got), err)
		}
	}
}

func TestBudget(t *testing.T) {
	clock := &faulty.Clock{}
	src := &faulty.Source{Data: faulty.Medium(64 << 20), Clock: clock,
		Faults: []faulty.Fault{{First: 4 * 2048, Count: 20 * 2048, Takes: 5 * time.Second}, {First: 100_000, Count: 1, Takes: time.Second}}}
	got, bad, err := drain(t, New(src, Options{Budget: time.Minute, Now: clock.Now, Retries: 1}), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if lost := compare(t, src, got, bad); lost != 0 {
		t.Errorf("%d good sectors lost", lost)
	}
	if took := clock.Now().Sub(time.Time{}); took > 4*time.Minute {
		t.Errorf("took %v with a budget of a minute", took)
	}
	var left, tried int64
	for _, b := range bad {
		if b.Tries == 0 {
			left += b.Count
		} else {
			tried += b.Count
		}
	}
	if left+tried != 20*2048+1 || left == 0 {
		t.Errorf("%d left out, %d tried", left, tried)
	}
	if b := bad[len(bad)-1]; b.Sector != 100_000 || b.Count != 1 || b.Tries != 2 || b.Took != 2*time.Second {
		t.Errorf("the place behind the region is %+v", b)
	}
}

// A region of single bad sectors costs no good ones, whatever the budget.
func TestScattered(t *testing.T) {
	var faults []faulty.Fault
	for s := int64(2100); s < 2100+16384; s += 200 {
		faults = append(faults, faulty.Fault{First: s, Count: 1, Takes: 7 * time.Second})
	}
	for _, budget := range []time.Duration{time.Second, 20 * time.Second, 5 * time.Minute, -1} {
		clock := &faulty.Clock{}
		src := &faulty.Source{Data: faulty.Medium(12 << 20), Clock: clock, Faults: faults}
		got, bad, err := drain(t, New(src, Options{Retries: 1, Budget: budget, Now: clock.Now}), src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if lost := compare(t, src, got, bad); lost > 0 || count(bad) != int64(len(faults)) {
			t.Errorf("budget %v: %d good sectors lost, %d listed", budget, lost, count(bad))
		}
	}
}

// Without an end to the budget every sector is tried.
func TestNoBudget(t *testing.T) {
	clock := &faulty.Clock{}
	src := &faulty.Source{Data: faulty.Medium(8 << 20), Clock: clock, Faults: []faulty.Fault{{First: 2048, Count: 3 * 2048, Takes: 10 * time.Second}}}
	_, bad, err := drain(t, New(src, Options{Budget: -1, Now: clock.Now}), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		if b.Tries != 1 {
			t.Errorf("%+v", b)
		}
	}
	if count(bad) != 3*2048 {
		t.Errorf("bad: %v", bad)
	}
}

// Slow sectors are no bad ones.
func TestSlow(t *testing.T) {
	clock := &faulty.Clock{}
	src := &faulty.Source{Data: faulty.Medium(4 << 20), Clock: clock, Faults: []faulty.Fault{{First: 100, Count: 3000, Takes: time.Hour, Slow: true}}}
	got, bad, err := drain(t, New(src, Options{Now: clock.Now}), src, 0)
	if err != nil || len(bad) > 0 || !bytes.Equal(got, src.Data) {
		t.Errorf("bad %v, %v", bad, err)
	}
}

// A dead end of a large medium is found out quickly, and so is a hole in it.
func TestLookAhead(t *testing.T) {
	const total = 48 << 20
	for _, c := range []struct{ first, count int64 }{
		{10 * 2048, total/512 - 10*2048},
		{10 * 2048, 30 * 2048},
		{10*2048 + 77, 23*2048 + 5},
	} {
		t.Run(fmt.Sprint(c.count), func(t *testing.T) {
			clock := &faulty.Clock{}
			src := &faulty.Source{Data: make([]byte, total), Clock: clock,
				Faults: []faulty.Fault{{First: c.first, Count: c.count, Takes: 10 * time.Second}}}
			got, bad, err := drain(t, New(src, Options{Budget: time.Minute, Now: clock.Now}), src, 0)
			if err != nil || int64(len(got)) != total {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			n := count(bad)
			if n < c.count || n > c.count+128 {
				t.Errorf("%d sectors listed, %d are bad", n, c.count)
			}
			if took := clock.Now().Sub(time.Time{}); took > 8*time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := &faulty.Source{Data: faulty.Medium(1 << 20)}
	if _, err := New(src, Options{}).Read(ctx, make([]byte, 1<<20), 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSameAnswersSameReads(t *testing.T) {
	var first []faulty.Read
	for range 2 {
		clock := &faulty.Clock{}
		src := &faulty.Source{Data: faulty.Medium(16 << 20), Clock: clock, Takes: time.Millisecond,
			Faults: []faulty.Fault{{First: 5000, Count: 9000, Takes: time.Second}, {First: 30_000, Count: 5, Heals: 3}}}
		if _, _, err := drain(t, New(src, Options{Budget: 90 * time.Second, Now: clock.Now, Retries: 2}), src, 0); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = src.Reads()
		} else if !slices.Equal(first, src.Reads()) {
			t.Error("the reads differ")
		}
	}
}

// Whatever the faults, in whatever windows: no byte is wrong without being
// listed, no good sector is lost where time does not end, and what was left out
// is told from what is bad.
func TestRandomFaults(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	data := faulty.Medium(4<<20 + 512*3)
	for round := range 150 {
		clock := &faulty.Clock{}
		src := &faulty.Source{Data: data, Clock: clock}
		if round%3 == 0 {
			src.Short = 1 + r.IntN(300_000)
		}
		at := int64(0)
		for range 1 + r.IntN(12) {
			f := faulty.Fault{First: at + r.Int64N(1500), Count: 1 + r.Int64N(1<<r.IntN(11)), Takes: time.Duration(r.IntN(8000)) * time.Millisecond}
			if at = f.First + f.Count; at > int64(len(data)/512) {
				break
			}
			switch r.IntN(6) {
			case 0:
				f.Slow = true
			case 1:
				f.Heals = 1 + r.IntN(3)
			}
			src.Faults = append(src.Faults, f)
		}
		o := Options{Retries: r.IntN(3), Budget: -1, Now: clock.Now}
		bounded := round%2 == 0
		if bounded {
			o.Budget = time.Minute
		}
		got, bad, err := drain(t, New(src, o), src, 0)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		lost := compare(t, src, got, bad)
		if !bounded && lost > 0 {
			t.Errorf("round %d: %d good sectors lost of %+v", round, lost, src.Faults)
		}
		for _, b := range bad {
			if left := strings.HasPrefix(b.What, outOfBudget); left != (b.Tries == 0) || left && !bounded {
				t.Errorf("round %d: %+v", round, b)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	src := &faulty.Source{Data: faulty.Medium(64 << 20)}
	r := New(src, Options{})
	p := device.Alloc(window1)
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		for off := int64(0); off < src.Size(); off += window1 {
			if _, err := r.Read(b.Context(), p, off); err != nil {
				b.Fatal(err)
			}
		}
	}
}
