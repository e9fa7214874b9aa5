package program

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

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

// requestHead is the room before the beginning of a file.
const requestHead = 16

// encode uses the room that the reader left before the beginning, so that a
// large file is in memory once.
func (r request) encode(room []byte) []byte {
	binary.LittleEndian.PutUint64(room, uint64(r.size))
	binary.LittleEndian.PutUint64(room[8:], uint64(len(room)-requestHead))
	return append(room, r.table...)
}

// Handle does the work of a child process; the answer is JSON.
func Handle(req []byte) ([]byte, error) {
	if len(req) < requestHead || binary.LittleEndian.Uint64(req[8:]) > uint64(len(req)-requestHead) {
		return nil, errors.New("a request that is cut")
	}
	n := requestHead + binary.LittleEndian.Uint64(req[8:])
	return json.Marshal(collect(request{int64(binary.LittleEndian.Uint64(req)), req[requestHead:n:n], req[n:]}))
}

// Serve turns this process into a worker if it was started as one. A command
// that uses a pool calls it before anything else.
func Serve() { guard.Serve(map[string]func([]byte) ([]byte, error){Kind: Handle}) }

// Pool reads programs in child processes of our own binary.
type Pool struct {
	p   *guard.Pool
	big sync.Mutex // one large file at a time, so that memory stays bounded
}

// bigFile is the size above which files wait for each other.
const bigFile = 16 << 20

// Limits bound one call to a child process; the zero value takes the defaults.
type Limits = guard.Limits

// NewPool makes a pool of n children with bounds on memory and time; nothing
// is started before it is needed.
func NewPool(n int, l Limits) *Pool { return &Pool{p: guard.NewPool(Kind, n, l)} }

// Close ends the children.
func (p *Pool) Close() { p.p.Close() }

func (p *Pool) call(ctx context.Context, r request, room []byte) (*parsed, error) {
	answer, err := p.p.Call(ctx, r.encode(room))
	if err != nil {
		return nil, err
	}
	var out parsed
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("answer of a parser process: %w", err)
	}
	return &out, nil
}
