// Package work runs things side by side without losing their order.
//
// An item is a file, a chunk or a batch of entries, never one record: handing
// it over costs about a microsecond.
package work

import (
	"context"
	"iter"
	"sync"
)

// Ordered calls do on each item, n at once, and emit in input order. It
// returns the first error of emit, or why ctx ended. No goroutine outlives it.
func Ordered[T, R any](ctx context.Context, n int, items iter.Seq[T],
	do func(context.Context, T) R, emit func(R) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan chan R, max(n, 1)-1) // plus the one being emitted
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(queue)
		for it := range items {
			slot := make(chan R, 1)
			select {
			case queue <- slot:
			case <-ctx.Done():
				return
			}
			wg.Go(func() { slot <- do(ctx, it) })
		}
	})
	for slot := range queue {
		if err := emit(<-slot); err != nil {
			cancel(err)
			for range queue { // let the producer end
			}
			return err
		}
	}
	return context.Cause(ctx)
}

// Each calls do on each item, n at once, in the order of the items but without
// waiting for it: put the largest first. The first error ends the run and is
// returned; items that were not begun are not called.
func Each[T any](ctx context.Context, n int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(max(n, 1), len(items)) {
		wg.Go(func() {
			for it := range next {
				if err := do(ctx, it); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for _, it := range items {
		select {
		case next <- it:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
