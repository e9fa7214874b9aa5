package program

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"kanshiki/forensics/internal/guard"
)

// Kind is the kind of work that a child process of a pool serves.
const Kind = "program"

// request is what a child process is given: the size of the file, the length
// of its beginning, the beginning, and the certificate table where that lies
// behind it.
type request struct {
	size  int64
	head  []byte
	table []byte
}

func (r request) encode() []byte {
	b := make([]byte, 16, 16+len(r.head)+len(r.table))
	binary.LittleEndian.PutUint64(b, uint64(r.size))
	binary.LittleEndian.PutUint64(b[8:], uint64(len(r.head)))
	return append(append(b, r.head...), r.table...)
}

// Handle does the work of a child process; the answer is JSON.
func Handle(req []byte) ([]byte, error) {
	if len(req) < 16 || binary.LittleEndian.Uint64(req[8:]) > uint64(len(req)-16) {
		return nil, errors.New("a request that is cut")
	}
	n := 16 + binary.LittleEndian.Uint64(req[8:])
	return json.Marshal(collect(request{int64(binary.LittleEndian.Uint64(req)), req[16:n:n], req[n:]}))
}

// Serve turns this process into a worker if it was started as one. A command
// that uses a pool calls it before anything else.
func Serve() { guard.Serve(map[string]func([]byte) ([]byte, error){Kind: Handle}) }

// Pool reads programs in child processes of our own binary.
type Pool struct{ p *guard.Pool }

// Limits bound one call to a child process; the zero value takes the defaults.
type Limits = guard.Limits

// NewPool makes a pool of n children with bounds on memory and time; nothing
// is started before it is needed.
func NewPool(n int, l Limits) *Pool { return &Pool{guard.NewPool(Kind, n, l)} }

// Close ends the children.
func (p *Pool) Close() { p.p.Close() }

func (p *Pool) call(ctx context.Context, r request) (*parsed, error) {
	answer, err := p.p.Call(ctx, r.encode())
	if err != nil {
		return nil, err
	}
	var out parsed
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("answer of a parser process: %w", err)
	}
	return &out, nil
}
