package timeline

import (
	"fmt"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
)

// era is the span of Windows versions that keep an artifact, as major.minor
// and build; "" is open. Server versions share the number of their client.
type era struct {
	from      string // first version that has it
	fromBuild int    // and its first build, where the version had it later
	to        string // last version that has it
}

func (e era) text() string {
	switch {
	case e.fromBuild > 0:
		return fmt.Sprintf("it came with build %d of %s", e.fromBuild, e.from)
	case e.from != "" && e.to != "":
		return fmt.Sprintf("only versions %s to %s have it", e.from, e.to)
	case e.from != "":
		return "it came with version " + e.from
	}
	return "its last version was " + e.to
}

// eras are taken from ANCHORS 4a to 4g. An artifact that is not here may exist
// on every Windows, or belongs to a program that may be on any.
var eras = map[string]era{
	"execution/prefetch":             {from: "5.1"},
	"execution/userassist":           {from: "5.0"},
	"execution/bam":                  {from: "10.0", fromBuild: 16299},
	"execution/shimcache":            {from: "5.1"},
	"execution/amcache":              {from: "6.1"}, // 7 by an update
	"execution/recentfilecache":      {from: "6.1", to: "6.1"},
	"execution/pca":                  {from: "10.0", fromBuild: 22621},
	"execution/defender":             {from: "6.2"}, // as antivirus; before, an installed product
	"execution/powershellhistory":    {from: "6.1"},
	"execution/powershelltranscript": {from: "6.1"},
	"eventlog/evtx":                  {from: "6.0"},
	"eventlog/evt":                   {to: "5.2"},
	"document/jumplist":              {from: "6.1"},
	"document/typedpaths":            {from: "6.0"},
	"document/wordwheel":             {from: "6.1"},
	"device/emdmgmt":                 {from: "6.0"},
	"network/networklist":            {from: "6.0"},
	"network/firewall":               {from: "5.1"},
	"network/srum":                   {from: "6.2"},
	"execution/srum":                 {from: "6.2"},
	"network/bits":                   {from: "5.1"},
	"memory/swapfile":                {from: "6.2"},
	"browser/ie":                     {to: "6.1"}, // from Internet Explorer 10 on: WebCacheV01.dat
	"browser/webcache":               {from: "6.1"},
}

// notIn tells whether a version of Windows is known not to have an artifact.
// Where the version is not known, nothing is.
func notIn(name, version string, build int) bool {
	e, ok := eras[name]
	if !ok || version == "" {
		return false
	}
	c := compareVersions(version, e.from)
	return e.from != "" && (c < 0 || c == 0 && e.fromBuild > 0 && build > 0 && build < e.fromBuild) ||
		e.to != "" && compareVersions(version, e.to) > 0
}

// compareVersions compares major.minor as numbers: 10.0 comes after 6.3.
func compareVersions(a, b string) int {
	x, y := split(a), split(b)
	if x[0] != y[0] {
		return x[0] - y[0]
	}
	return x[1] - y[1]
}

func split(v string) (n [2]int) {
	major, minor, _ := strings.Cut(v, ".")
	n[0], _ = strconv.Atoi(major)
	n[1], _ = strconv.Atoi(minor)
	return n
}

// learnHive adds what a hive says of the machine. A hive that cannot be read
// is told when its artifacts are.
func learnHive(m *artifact.Machine, in *artifact.Input) {
	h, err := artifact.OpenHive(in)
	if err == nil {
		m.Learn(h)
	}
}
