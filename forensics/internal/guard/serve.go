package guard

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	workerVar = "KANSHIKI_WORKER"
	memoryVar = "KANSHIKI_WORKER_MEMORY"
	cpuVar    = "KANSHIKI_WORKER_CPU"

	statusOK    = 0
	statusError = 1
	statusFault = 2

	exitMemory = 91
	exitCPU    = 92
)

// Serve turns this process into a worker if it was started as one, and then
// never returns. Every command that uses a pool, and the TestMain of every
// test that does, calls it before anything else.
func Serve(kinds map[string]func([]byte) ([]byte, error)) {
	kind := os.Getenv(workerVar)
	if kind == "" {
		return
	}
	handle := kinds[kind]
	in, out, err := taken()
	if handle == nil || err != nil {
		fmt.Fprintf(os.Stderr, "this program does not serve %q: %v\n", kind, err)
		os.Exit(1)
	}
	os.Stdout = os.Stderr // a library's chatter is no frame
	memory, _ := strconv.ParseInt(os.Getenv(memoryVar), 10, 64)
	cpu, _ := strconv.ParseInt(os.Getenv(cpuVar), 10, 64)
	debug.SetMaxStack(64 << 20)
	if memory > 0 {
		debug.SetMemoryLimit(memory)
		limitAddressSpace(memory)
	}
	var begun atomic.Int64 // processor time at the start of the call, -1 between calls
	begun.Store(-1)
	go watch(memory, time.Duration(cpu), &begun)
	r := bufio.NewReader(in)
	for {
		req, err := readFrame(r, 1<<62)
		if err != nil {
			os.Exit(0)
		}
		begun.Store(int64(processorTime()))
		answer, status := answer(handle, req)
		begun.Store(-1)
		if _, err := out.Write([]byte{status}); err != nil {
			os.Exit(0)
		}
		if err := writeFrame(out, answer); err != nil {
			os.Exit(0)
		}
	}
}

func answer(handle func([]byte) ([]byte, error), req []byte) (out []byte, status byte) {
	defer func() {
		if r := recover(); r != nil {
			out, status = fmt.Append(nil, r, "\x00", string(debug.Stack())), statusFault
		}
	}()
	b, err := handle(req)
	if err != nil {
		return []byte(err.Error()), statusError
	}
	return b, statusOK
}

// watch ends the process when a call takes more than its share. The memory
// limit of the runtime alone does not stop one huge allocation.
func watch(memory int64, cpu time.Duration, begun *atomic.Int64) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		time.Sleep(5 * time.Millisecond)
		if metrics.Read(heap); memory > 0 && heap[0].Value.Uint64() > uint64(memory) {
			os.Exit(exitMemory)
		}
		if from := begun.Load(); cpu > 0 && from >= 0 && processorTime()-time.Duration(from) > cpu {
			os.Exit(exitCPU)
		}
	}
}
