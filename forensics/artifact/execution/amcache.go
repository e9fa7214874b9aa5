package execution

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Amcache is the inventory of programs, drivers and packages.
var Amcache = artifact.Spec{
	Name:   "execution/amcache",
	Title:  "Amcache",
	Globs:  artifact.HiveGlobs(artifact.HiveAmcache),
	Loose:  artifact.LooseHive(artifact.HiveAmcache),
	Fields: []string{"inventory", "name", "publisher", "version", "product", "product_version", "description", "size", "sha1_first_31457280", "sha1_of_driver", "link_date", "file_modified", "file_created", "install_date", "program_id", "os_component", "file_reference", "volume", "root", "values"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyAppCompat,
	Card: artifact.Card{
		Proves:    "The inventory knew a file of this path with this identity: size, link date, publisher, and the SHA-1 of its first 31,457,280 bytes. The entry was written at the event's time.",
		NotProven: "That the program ran: a scheduled task (Compatibility Appraiser) scans folders. The time is that of the inventory run, often the daily task. The SHA-1 is not that of the whole file where the file is larger than 31,457,280 bytes. The link date is what the file says, without a zone.",
		Clock:     "System UTC, 100 ns (FILETIME of the key).",
		Retention: "Months; entries of removed files are dropped at some later run. The hive is often not closed, so its logs matter.",
		Switches:  "Scheduled tasks Microsoft Compatibility Appraiser and ProgramDataUpdater; Windows 8 and later, 7 with the appraiser update.",
		Source:    "B. Lagny (ANSSI), Analysis of the AmCache, 2019; libyal winreg-kb; Y. Khatri, Amcache.hve.",
	},
	Read: readAmcache,
}

// inventories are the parts of the hive that name files or programs; all keys
// of the rest are in registry/keys.
var inventories = []struct {
	pattern string
	read    func(*amcacheEntry)
}{
	{`Root\File\*\*`, (*amcacheEntry).oldFile},
	{`Root\Programs\*`, (*amcacheEntry).oldProgram},
	{`Root\InventoryApplicationFile\*`, (*amcacheEntry).file},
	{`Root\InventoryApplication\*`, (*amcacheEntry).program},
	{`Root\InventoryDriverBinary\*`, (*amcacheEntry).driver},
	{`Root\InventoryDriverPackage\*`, (*amcacheEntry).driverPackage},
}

func readAmcache(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "last inventory run"}
	for _, inv := range inventories {
		name, _, _ := strings.Cut(strings.TrimPrefix(inv.pattern, `Root\`), `\`)
		for k := range h.Find(in, inv.pattern) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			in.Counts.Declared++
			x := &amcacheEntry{key: k, taken: map[string]bool{}, values: map[string]regf.Value{}}
			for v, err := range k.Values() {
				if err != nil {
					in.Problem(problem.Malformed, problem.Lost, err)
					continue
				}
				x.values[strings.ToLower(v.Name)] = v
				x.order = append(x.order, v)
			}
			in.Counts.Decoded++
			e := &x.event
			e.Ticks, e.Meaning, e.Action = event.Ticks(k.LastWritten), "entered in the inventory", event.Other
			e.RegistryKey, e.Record = h.Name(k), k.Name
			e.At, e.Length = h.At(in, k.Offset, k.Path()), 80+int64(len(k.Name))
			e.Fields = append(e.Fields, event.Str("inventory", name))
			inv.read(x)
			x.rest()
			what := e.Program
			if what == "" {
				what = x.name
			}
			e.Message = fmt.Sprintf("inventory (%s) knew %s; not a run", name, what)
			if !e.Ticks.Valid() {
				e.Fact, e.Ticks = true, 0
			}
			fact.To = max(fact.To, event.Ticks(k.LastWritten))
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

// amcacheEntry is one key of the inventory on its way to an event.
type amcacheEntry struct {
	event  event.Event
	key    *regf.Key
	values map[string]regf.Value
	order  []regf.Value
	taken  map[string]bool
	name   string
}

// text takes the value of that name as text, "" where it is not there.
func (x *amcacheEntry) text(name string) string {
	v, ok := x.values[name]
	if !ok {
		return ""
	}
	x.taken[name] = true
	if s, err := v.Text(); err == nil && s != "" {
		return s
	}
	if n, ok := v.Uint(); ok && v.Type != regf.String {
		return fmt.Sprint(n)
	}
	return ""
}

func (x *amcacheEntry) str(field, name string) string {
	s := x.text(name)
	if s != "" {
		x.event.Fields = append(x.event.Fields, event.Str(field, s))
	}
	return s
}

func (x *amcacheEntry) number(name string) (uint64, bool) {
	v, ok := x.values[name]
	if !ok {
		return 0, false
	}
	x.taken[name] = true
	return v.Uint()
}

func (x *amcacheEntry) num(field, name string) {
	if n, ok := x.number(name); ok {
		x.event.Fields = append(x.event.Fields, event.Uint(field, n))
	}
}

func (x *amcacheEntry) filetime(field, name string) {
	if n, ok := x.number(name); ok {
		x.event.Fields = append(x.event.Fields, event.When(field, event.Ticks(n)))
	}
}

// epoch is a number of seconds since 1970, kept raw where it is no time.
func (x *amcacheEntry) epoch(field, name string) {
	n, ok := x.number(name)
	switch {
	case !ok:
	case n > 0 && n < 1<<32:
		x.event.Fields = append(x.event.Fields, event.Str(field, event.Ticks(n*10000000+116444736000000000).Format(event.Second)))
	default:
		x.event.Fields = append(x.event.Fields, event.Uint(field, n))
	}
}

// sha1 is a file identifier: four zeros and 40 digits.
func (x *amcacheEntry) sha1(field, name string) {
	s := strings.ToLower(x.text(name))
	if len(s) == 44 && s[:4] == "0000" {
		s = s[4:]
	}
	if s != "" {
		x.event.Fields = append(x.event.Fields, event.Str(field, s))
	}
}

func (x *amcacheEntry) path(s string) {
	x.event.Program, x.event.Path = s, artifact.PathOf(s)
}

// rest keeps all values that no field has.
func (x *amcacheEntry) rest() {
	var out []string
	for _, v := range x.order {
		if x.taken[strings.ToLower(v.Name)] {
			continue
		}
		s, _ := v.Text()
		if n, ok := v.Uint(); ok && s == "" {
			s = fmt.Sprint(n)
		} else if s == "" {
			b, _ := v.Data()
			s = fmt.Sprintf("%x", b[:min(len(b), 256)])
		}
		if s = strings.ReplaceAll(s, "\n", "|"); len(s) > 1024 {
			s = fmt.Sprintf("%.1024s… (%d bytes)", s, len(s))
		}
		out = append(out, v.Name+"="+s)
	}
	if len(out) > 0 {
		x.event.Fields = append(x.event.Fields, event.List("values", out))
	}
}

// oldFile is an entry of Windows 8 and 8.1: values have numbers for names.
func (x *amcacheEntry) oldFile() {
	x.path(x.text("15"))
	x.name = x.event.Program
	x.str("publisher", "1")
	x.str("version", "5")
	x.str("product", "0")
	x.str("product_version", "2")
	x.str("description", "c")
	x.num("size", "6")
	x.sha1("sha1_first_31457280", "101")
	x.epoch("link_date", "f")
	if v, ok := x.values["17"]; ok && v.Size == 8 {
		x.filetime("file_modified", "17")
	} else {
		x.filetime("file_modified", "11")
	}
	x.filetime("file_created", "12")
	x.str("program_id", "100")
	x.event.Fields = append(x.event.Fields, event.Str("file_reference", x.key.Name), event.Str("volume", x.key.Parent().Name))
}

func (x *amcacheEntry) oldProgram() {
	x.name = x.str("name", "0")
	x.str("publisher", "2")
	x.str("version", "1")
	x.epoch("install_date", "a")
	x.event.Fields = append(x.event.Fields, event.Str("program_id", x.key.Name))
	x.str("root", "d")
}

// file is an entry of Windows 10 and later.
func (x *amcacheEntry) file() {
	x.path(x.text("lowercaselongpath"))
	x.name = x.str("name", "name")
	x.str("publisher", "publisher")
	x.str("version", "version")
	x.str("product", "productname")
	x.str("product_version", "productversion")
	x.num("size", "size")
	x.sha1("sha1_first_31457280", "fileid")
	x.str("link_date", "linkdate")
	x.str("program_id", "programid")
	x.num("os_component", "isoscomponent")
}

func (x *amcacheEntry) program() {
	x.name = x.str("name", "name")
	x.str("publisher", "publisher")
	x.str("version", "version")
	x.str("install_date", "installdate")
	x.event.Fields = append(x.event.Fields, event.Str("program_id", x.key.Name))
	x.str("root", "rootdirpath")
}

func (x *amcacheEntry) driver() {
	x.path(strings.ReplaceAll(x.key.Name, "/", `\`)) // the key's name is the path
	x.name = x.str("name", "drivername")
	x.str("publisher", "drivercompany")
	x.str("version", "driverversion")
	x.str("product", "product")
	x.str("product_version", "productversion")
	x.num("size", "imagesize")
	x.sha1("sha1_of_driver", "driverid")
	x.epoch("link_date", "drivertimestamp")
	x.str("file_modified", "driverlastwritetime")
}

func (x *amcacheEntry) driverPackage() {
	x.name = x.str("name", "inf")
	x.str("publisher", "provider")
	x.str("version", "version")
	x.str("link_date", "date")
	x.str("root", "directory")
}
