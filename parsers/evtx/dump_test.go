package evtx

import (
	"fmt"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	p := os.Getenv("DUMP")
	if p == "" {
		t.Skip()
	}
	f := openFile(t, p)
	for r, err := range f.Records() {
		if r == nil || fmt.Sprint(r.ID) != os.Getenv("ID") {
			continue
		}
		x, err2 := r.AppendXML(nil)
		fmt.Println(r, string(x), err, err2)
		fmt.Printf("%+v\n", r.Data)
		fmt.Printf("%q\n", r.d.buf[r.start:r.end])
	}
}
