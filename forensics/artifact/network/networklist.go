package network

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// NetworkList are the networks that Windows has joined. Their times are local
// time, which is often overlooked.
var NetworkList = artifact.Spec{
	Name:   "network/networklist",
	Title:  "Networks joined (NetworkList)",
	Globs:  artifact.HiveGlobs(artifact.HiveSoftware),
	Loose:  artifact.LooseHive(artifact.HiveSoftware),
	Fields: []string{"profile", "profile_guid", "description", "medium", "category", "managed", "gateway_mac", "dns_suffix", "first_network", "created", "last_connected", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "The machine joined a network of this name, with this gateway, the first time and the last time as said.",
		NotProven: "What was sent; connections between the first and the last; that the last time is the end of the connection. A name may be given by anyone.",
		Clock:     "Local time of the machine, a SYSTEMTIME of 1 ms, converted with the zone of the registry as it is now; a machine that moved between zones shows it wrongly.",
		Retention: "Long.",
		Switches:  "Windows Vista and later.",
		Source:    "libyal winreg-kb, \"Network list\"; H. Carvey, NetworkList.",
	},
	Read: readNetworkList,
}

var media = map[uint64]string{6: "wired", 23: "VPN", 53: "wired or tunnel", 71: "wireless", 243: "mobile broadband"}
var networkCategories = map[uint64]string{0: "public", 1: "private", 2: "domain"}

// signature is what a network is known again by.
type signature struct{ mac, suffix, first string }

func readNetworkList(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	const list = `Microsoft\Windows NT\CurrentVersion\NetworkList\`
	signatures := map[string]signature{}
	for _, kind := range []string{"Managed", "Unmanaged"} {
		for k := range h.Find(in, list+`Signatures\`+kind+`\*`) {
			mac := artifact.Data(k, "DefaultGatewayMac")
			s := signature{suffix: artifact.Text(k, "DnsSuffix"), first: artifact.Text(k, "FirstNetwork")}
			if len(mac) == 6 {
				s.mac = fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
			}
			signatures[strings.ToLower(artifact.Text(k, "ProfileGuid"))] = s
		}
	}
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key NetworkList"}
	for k := range h.Find(in, list+`Profiles\*`) {
		fact.How, fact.To = "key NetworkList", max(fact.To, event.Ticks(k.LastWritten))
		in.Counts.Declared++
		in.Counts.Decoded++
		if err := networkProfile(in, h, k, signatures[strings.ToLower(k.Name)], emit); err != nil {
			return err
		}
	}
	in.Cover(fact)
	return nil
}

func networkProfile(in *artifact.Input, h *artifact.Hive, k *regf.Key, sig signature, emit func(*event.Event) error) error {
	name := artifact.Text(k, "ProfileName")
	base := event.Event{RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)), Clock: event.LocalTime, Precision: event.Milli}
	add := func(field, s string) {
		if s != "" {
			base.Fields = append(base.Fields, event.Str(field, s))
		}
	}
	add("profile", name)
	add("profile_guid", k.Name)
	add("description", artifact.Text(k, "Description"))
	if n, ok := artifact.Number(k, "NameType"); ok {
		if s, known := media[n]; known {
			add("medium", s)
		} else {
			add("medium", fmt.Sprint(n))
		}
	}
	if n, ok := artifact.Number(k, "Category"); ok {
		if s, known := networkCategories[n]; known {
			add("category", s)
		} else {
			add("category", fmt.Sprint(n))
		}
	}
	if n, ok := artifact.Number(k, "Managed"); ok {
		base.Fields = append(base.Fields, event.Bool("managed", n != 0))
	}
	add("gateway_mac", sig.mac)
	add("dns_suffix", sig.suffix)
	add("first_network", sig.first)
	base.Device = sig.mac
	created, last := systemTime(artifact.Data(k, "DateCreated")), systemTime(artifact.Data(k, "DateLastConnected"))
	base.Fields = append(base.Fields, event.When("created", created), event.When("last_connected", last), event.When("key_written", event.Ticks(k.LastWritten)))
	if !created.Valid() && !last.Valid() {
		e := base
		e.Fact, e.To, e.Meaning, e.Action = true, event.Ticks(k.LastWritten), "network known", event.Configured
		e.Clock, e.Precision = "", ""
		e.Message = "network known: " + name
		return emit(&e)
	}
	for _, t := range []struct {
		local         event.Ticks
		meaning, verb string
	}{{created, "network first joined", "joined for the first time"}, {last, "network last joined", "joined last"}} {
		if !t.local.Valid() {
			continue
		}
		e := base
		e.Ticks, e.Zone, e.ZoneAssumed = in.Machine.Zone.UTC(t.local)
		e.Meaning, e.Action = t.meaning, event.Connected
		e.Message = fmt.Sprintf("network %s: %s", t.verb, name)
		if err := emit(&e); err != nil {
			return err
		}
	}
	return nil
}

// systemTime reads a SYSTEMTIME ([MS-DTYP] 2.3.13) as ticks of its own clock.
func systemTime(b []byte) event.Ticks {
	if len(b) < 16 {
		return 0
	}
	w := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	return civil(w(0), w(1), w(3), w(4), w(5), w(6), w(7))
}
