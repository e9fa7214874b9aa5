//go:build unix

// Command corpusdisk reads the corpus as the disk of a Windows machine and
// compares what came of it with what other readers found: the counts of every
// source with the tables of ../shared/corpus/truth, every extracted file with
// the digest of the disk's manifest, the rows of the raw image with those of
// the E01, and the rows of one core with those of two.
//
//	scripts/corpus-disk [--bench] [--disk FILE] [--corpus DIR] [--bin DIR] [--work DIR] [--all]
//
// It ends with 1 where anything differs without a reason in accepted.go.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	shared, corpus, disk, bin, work string
	bench, all                      bool
}

func main() {
	var o options
	flag.StringVar(&o.shared, "shared", "../shared", "folder with scripts/assemble-windows-disk and corpus/truth")
	flag.StringVar(&o.corpus, "corpus", os.Getenv("KANSHIKI_CORPUS"), "the unpacked corpus")
	flag.StringVar(&o.disk, "disk", "", "a disk that is there already, with its .manifest.tsv and .E01 beside it")
	flag.StringVar(&o.bin, "bin", "", "folder with ks-timeline and ks-walk; built where not given")
	flag.StringVar(&o.work, "work", "", "folder to work in; else a temporary one")
	flag.BoolVar(&o.bench, "bench", false, "measure the build only, against its limits")
	flag.BoolVar(&o.all, "all", false, "print every accepted difference too")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "corpus-disk:", err)
		os.Exit(1)
	}
}

func run(o *options) (err error) {
	if o.work == "" {
		if o.work, err = os.MkdirTemp("", "corpus-disk-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.work)
	}
	if err := os.MkdirAll(o.work, 0o700); err != nil {
		return err
	}
	if o.bin == "" {
		o.bin = filepath.Join(o.work, "bin")
		if err := do(nil, "go", "build", "-o", o.bin+"/", "./cmd/ks-timeline", "./cmd/ks-walk"); err != nil {
			return err
		}
	}
	if o.disk == "" {
		o.disk = filepath.Join(o.work, "disk.raw")
		args := []string{"--corpus", o.corpus, "--out", o.disk}
		if _, err := exec.LookPath("ewfacquire"); err == nil && !o.bench {
			args = append(args, "--ewf")
		}
		if err := do(nil, filepath.Join(o.shared, "scripts", "assemble-windows-disk"), args...); err != nil {
			return err
		}
	}
	if o.bench {
		return bench(o)
	}
	return check(o)
}

// limits of the issue: 20 s of two cores, and 512 MiB.
const (
	mostWall   = 20 * time.Second
	mostCPU    = 2 * mostWall
	mostMemory = 512 << 20
)

// bench measures three builds. A machine that has other work to do spoils the
// wall time, so the processor time decides with it: either within its limit.
func bench(o *options) error {
	best := usage{wall: time.Hour}
	for i := range 3 {
		u, err := build(o, o.disk, filepath.Join(o.work, fmt.Sprint("bench", i)), nil)
		if err != nil {
			return err
		}
		fmt.Println(u)
		best.wall, best.cpu, best.memory = min(best.wall, u.wall), max(best.cpu, u.cpu), max(best.memory, u.memory)
	}
	fmt.Printf("limits: wall %v, %d MiB; best wall %v, most memory %d MiB\n", mostWall, mostMemory>>20, best.wall.Round(10*time.Millisecond), best.memory>>20)
	if best.memory > mostMemory {
		return errors.New("more memory than the limit")
	}
	if best.wall > mostWall && best.cpu > mostCPU {
		return errors.New("slower than the limit")
	}
	return nil
}

// check does everything that the issue asks of the assembled disk.
func check(o *options) error {
	c := &checker{options: o}
	cases := []struct{ name, image, cores string }{{"raw", o.disk, "2"}, {"one-core", o.disk, "1"}}
	if _, err := os.Stat(o.disk + ".E01"); err == nil {
		cases = append(cases, struct{ name, image, cores string }{"E01", o.disk + ".E01", "2"})
	} else {
		fmt.Println("left out: the disk as E01 (no ewfacquire)")
	}
	var first map[string]string
	for _, k := range cases {
		dir := filepath.Join(o.work, "case-"+k.name)
		u, err := build(o, k.image, dir, []string{"GOMAXPROCS=" + k.cores})
		if err != nil {
			return err
		}
		fmt.Printf("build %-8s %v\n", k.name, u)
		sums, err := digests(o, dir)
		if err != nil {
			return err
		}
		if first == nil {
			first = sums
			if err := c.counts(dir); err != nil {
				return err
			}
			continue
		}
		same := 0
		for table, sum := range sums {
			if sum != first[table] {
				c.fail("%s of the case %s differ from those of the case %s", table, k.name, cases[0].name)
				continue
			}
			same++
		}
		fmt.Printf("%s: %d of %d tables are those of the raw image on two cores, byte for byte\n", k.name, same, len(sums))
		os.RemoveAll(dir)
	}
	image := o.disk
	if len(cases) > 2 {
		image = cases[2].image
	}
	if err := c.extract(image); err != nil {
		return err
	}
	if c.failed > 0 {
		return fmt.Errorf("%d differences have no reason", c.failed)
	}
	return nil
}

// usage is what a command took.
type usage struct {
	wall, cpu time.Duration
	memory    int64
}

func (u usage) String() string {
	return fmt.Sprintf("wall %6.2f s  CPU %6.2f s  memory %d MiB", u.wall.Seconds(), u.cpu.Seconds(), u.memory>>20)
}

// build reads an image into a case: exit 0, or 3 where some could not be read.
func build(o *options, image, dir string, env []string) (usage, error) {
	cmd := exec.Command(filepath.Join(o.bin, "ks-timeline"), "build", "--case", dir, "--exhibit", "disk", "--progress", "none", image)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	from := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(from)}
	if st := cmd.ProcessState; st != nil {
		u.cpu = st.UserTime() + st.SystemTime()
		u.memory = st.SysUsage().(*syscall.Rusage).Maxrss << 10 // Linux counts KiB
		if st.ExitCode() == 3 {
			err = nil
		}
	}
	if err != nil {
		return u, fmt.Errorf("ks-timeline build %s: %w: %s", filepath.Base(image), err, out.Bytes())
	}
	return u, nil
}

// digests are those of everything that a case says. The names of images and
// the times of the run stand elsewhere, in case.json and the custody log.
func digests(o *options, dir string) (map[string]string, error) {
	sums := map[string]string{}
	for _, args := range [][]string{
		{"export", "--format", "csv"}, {"export", "--format", "csv", "--rows", "facts"}, {"export", "--format", "bodyfile"},
		{"sources", "--format", "csv"}, {"problems", "--format", "csv"}, {"coverage", "--format", "csv"},
	} {
		h := sha256.New()
		name := strings.Join(args, " ")
		if err := do(h, filepath.Join(o.bin, "ks-timeline"), append([]string{args[0], "--case", dir}, args[1:]...)...); err != nil {
			return nil, err
		}
		sums[name] = fmt.Sprintf("%x", h.Sum(nil))
	}
	return sums, nil
}

// do runs a command. Its output goes to out, or with its errors to ours.
func do(out io.Writer, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	var said bytes.Buffer
	if out == nil {
		cmd.Stdout = os.Stdout
	} else {
		cmd.Stderr = &said
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, said.Bytes())
	}
	return nil
}
