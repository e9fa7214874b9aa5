package work

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestOrderedKeepsTheOrder(t *testing.T) {
	var in, out []int
	for i := range 500 {
		in = append(in, i)
	}
	err := Ordered(context.Background(), 7, slices.Values(in), func(_ context.Context, i int) int {
		if i%3 == 0 {
			runtime.Gosched()
		}
		return i * 2
	}, func(r int) error { out = append(out, r); return nil })
	if err != nil || len(out) != 500 {
		t.Fatalf("%d results, %v", len(out), err)
	}
	for i, r := range out {
		if r != i*2 {
			t.Fatalf("result %d is %d", i, r)
		}
	}
}

func TestOrderedStopsAndLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	stop := errors.New("stop")
	n := 0
	err := Ordered(context.Background(), 4, func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
			if i > 1000000 {
				return
			}
		}
	}, func(_ context.Context, i int) int { return i }, func(int) error {
		if n++; n == 10 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Ordered(ctx, 4, slices.Values([]int{1, 2, 3}), func(_ context.Context, i int) int { return i }, func(int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestEach(t *testing.T) {
	var sum atomic.Int64
	if err := Each(context.Background(), 3, []int64{1, 2, 3, 4}, func(_ context.Context, i int64) error { sum.Add(i); return nil }); err != nil || sum.Load() != 10 {
		t.Errorf("%d, %v", sum.Load(), err)
	}
	bad := errors.New("bad")
	if err := Each(context.Background(), 1, []int{1, 2, 3}, func(_ context.Context, i int) error {
		if i == 2 {
			return bad
		}
		if i == 3 {
			t.Error("went on after an error")
		}
		return nil
	}); !errors.Is(err, bad) {
		t.Error(err)
	}
	if err := Each(context.Background(), 2, nil, func(context.Context, int) error { return bad }); err != nil {
		t.Error(err)
	}
}
