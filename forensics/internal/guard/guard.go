// Package guard stands around parsers that we did not write: a reader below
// that reports what it cannot give, a recover above, and, where a recover
// cannot help (stack, memory, loops), child processes of our own binary.
package guard

import (
	"fmt"
	"os"
	"runtime/debug"
)

// Fault is a panic of a parser, turned into an error. The panic's text is
// evidence of what the bytes did.
type Fault struct {
	Panic string
	Stack string
}

func (f *Fault) Error() string { return "parser fault: " + f.Panic }

// Run calls fn and turns a panic into a *Fault. With KANSHIKI_NO_RECOVER set
// the panic goes on, so that a test shows where it comes from.
func Run(fn func() error) (err error) {
	if os.Getenv("KANSHIKI_NO_RECOVER") == "" {
		defer func() {
			if r := recover(); r != nil {
				err = &Fault{Panic: fmt.Sprint(r), Stack: string(debug.Stack())}
			}
		}()
	}
	return fn()
}
