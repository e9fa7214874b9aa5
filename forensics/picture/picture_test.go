package picture

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kanshiki/forensics/evidence"
)

const mib = 1 << 20

// see shows a medium in blocks of 1 MiB, in any order, from two goroutines.
func see(data []byte) *Picture {
	l := New(int64(len(data)))
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for off := g * mib; off < len(data); off += 2 * mib {
				n := min(mib, len(data)-off)
				l.See(&evidence.Block{Off: int64(off), Len: int64(n), Data: data[off : off+n]})
			}
		})
	}
	wg.Wait()
	return l.Picture()
}

// A medium of 8 MiB: 2 of one letter, 3 of zeros, 2 of noise, 1 of zeros with a
// byte in its middle.
func TestLook(t *testing.T) {
	data := append(bytes.Repeat([]byte("a"), 2*mib), make([]byte, 6*mib+700)...)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 2 * mib {
		data[5*mib+i] = byte(r.Uint32())
	}
	data[7*mib+mib/2] = 1
	p := see(data)
	if p.ZeroBytes != 4*mib-p.Unit || p.LongestZero != (Run{2 * mib, 3 * mib}) {
		t.Errorf("zeros %d, longest %+v", p.ZeroBytes, p.LongestZero)
	}
	part := func(off int64) float32 { return p.Entropy[off/p.PartSize] }
	if part(mib) != 0 || part(3*mib) != 0 || part(6*mib) < 7.9 || len(p.ZeroPerGiB) != 1 {
		t.Errorf("entropy %v %v %v, GiB %v", part(mib), part(3*mib), part(6*mib), p.ZeroPerGiB)
	}
	if p.Judge(nil); len(p.Warnings) > 0 {
		t.Errorf("%q", p.Warnings)
	}
	if got := p.zeroIn(2*mib-100, 200); got != 100 {
		t.Errorf("%d bytes of zeros over the border, expected 100", got)
	}
	if l := p.Lines(8)[1]; !strings.HasPrefix(l, "[     ## ]") {
		t.Errorf("%q", l)
	}
}

func TestJudge(t *testing.T) {
	speed := Speed{Step: mib}
	for i := range 8 {
		speed.MS = append(speed.MS, map[bool]int64{true: 100, false: 2}[i < 4])
	}
	base := func() *Picture {
		p := see(append(bytes.Repeat([]byte{1, 2, 3}, 4*mib/3+1)[:4*mib], make([]byte, 4*mib)...))
		return p
	}
	for name, c := range map[string]struct {
		volumes []Volume
		speed   *Speed
		says    []string
	}{
		"a sparse disk":       {[]Volume{{Number: 1, Used: 900 * mib, Zero: 20 * mib}}, &speed, nil},
		"no file system":      {nil, &speed, nil},
		"a few empty files":   {[]Volume{{Number: 1, Used: 40 * mib, Zero: 9 * mib}}, nil, nil},
		"half of it lost":     {[]Volume{{Number: 1, Used: 900 * mib, Zero: 400 * mib, Files: 7}}, nil, []string{"volume 1: 44 % of the clusters"}},
		"lost, and then fast": {[]Volume{{Number: 1, Used: 900 * mib, Zero: 400 * mib}}, &speed, []string{"volume 1: 44 %", "reading was 50 times as fast as elsewhere"}},
	} {
		p := base()
		p.Volumes = c.volumes
		p.Judge(c.speed)
		if len(p.Warnings) != len(c.says) {
			t.Errorf("%s: %q", name, p.Warnings)
			continue
		}
		for i, s := range c.says {
			if !strings.Contains(p.Warnings[i], s) {
				t.Errorf("%s: %q", name, p.Warnings)
			}
		}
	}
	p := see(make([]byte, 3*mib))
	if p.Judge(nil); len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "the whole medium reads as zeros") {
		t.Errorf("%q", p.Warnings)
	}
	noise := make([]byte, 20*mib)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(noise)
	p = see(noise)
	if p.Judge(nil); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "look random") {
		t.Errorf("%q", p.Warnings)
	}
}

// The fixture's disk holds what its files say. Where a part of it comes back as
// zeros, the files that lie there are counted.
func TestFiles(t *testing.T) {
	ctx := context.Background()
	name := "../../fixtures/quarantined-pc/quarantined-pc.E01"
	e, err := evidence.OpenImage(ctx, name, evidence.Options{})
	if err != nil {
		t.Skip(err)
	}
	defer e.Close()
	data := make([]byte, e.Image.Size())
	if _, err := e.Image.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	whole := see(data)
	if err := whole.Files(ctx, e, 0); err != nil {
		t.Fatal(err)
	}
	few := see(data)
	if err := few.Files(ctx, e, 10); err != nil || len(few.Volumes) != 1 || !strings.HasPrefix(few.Volumes[0].Note, "not looked at: ") {
		t.Errorf("over the limit: %v, %+v", err, few.Volumes)
	}
	const from, to = 48 * mib, 80 * mib
	used := whole.Volumes[0].Used
	clear(data[from:to])
	raw := filepath.Join(t.TempDir(), "lost.raw")
	if err := os.WriteFile(raw, data, 0o666); err != nil {
		t.Fatal(err)
	}
	lost, err := evidence.OpenImage(ctx, raw, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	p := see(data)
	if err := p.Files(ctx, lost, 0); err != nil {
		t.Fatal(err)
	}
	v := p.Volumes[0]
	if v.Used != used || v.Zero <= whole.Volumes[0].Zero || whole.Volumes[0].Files != 0 {
		t.Errorf("whole %+v, lost %+v", whole.Volumes[0], v)
	}
	if whole.Judge(nil); len(whole.Warnings) > 0 {
		t.Errorf("%q", whole.Warnings)
	}
}

func BenchmarkSee(b *testing.B) {
	data := make([]byte, mib)
	r := rand.NewChaCha8([32]byte{2})
	r.Read(data[mib/2:])
	l := New(1 << 40)
	b.SetBytes(mib)
	b.ReportAllocs()
	for b.Loop() {
		l.See(&evidence.Block{Off: 5 * mib, Len: mib, Data: data})
	}
}
