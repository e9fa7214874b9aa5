package network

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// civil is a calendar time as ticks, 0 where a part is out of range.
func civil(y, m, d, h, min, s, ms int) event.Ticks {
	t := time.Date(y, time.Month(m), d, h, min, s, ms*1e6, time.UTC)
	if y < 1601 || y > 9999 || t.Year() != y || int(t.Month()) != m || t.Day() != d || h > 23 || min > 59 || s > 59 || ms > 999 {
		return 0
	}
	return event.FromTime(t)
}

// Interfaces are the addresses that the machine had.
var Interfaces = artifact.Spec{
	Name:   "network/interfaces",
	Title:  "Addresses of network interfaces",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"interface", "dhcp", "address", "mask", "gateway", "dhcp_server", "name_servers", "domain", "lease_obtained", "lease_ends", "control_set", "current_set", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "This interface had this address from this DHCP server from the time of the lease on, or was set to this address.",
		NotProven: "That anything was sent; earlier leases, but those kept for single networks below the interface.",
		Clock:     "System UTC, 1 s (seconds since 1970 in the value).",
		Retention: "The last lease, and the last of each wireless network.",
		Switches:  "EnableDHCP.",
		Source:    "Microsoft Learn, \"TCP/IP and NBT configuration parameters for Windows XP\"; names in the registry.",
	},
	Read: readInterfaces,
}

func readInterfaces(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "keys Tcpip\\Parameters\\Interfaces"}
	for _, pattern := range []string{`CCS\Services\Tcpip\Parameters\Interfaces\*`, `CCS\Services\Tcpip\Parameters\Interfaces\*\*`} {
		for k := range h.Find(in, pattern) {
			var f []event.Field
			add := func(name string, texts ...string) string {
				for _, s := range texts {
					if s = strings.ReplaceAll(s, "\n", " "); s != "" && s != "0.0.0.0" {
						f = append(f, event.Str(name, s))
						return s
					}
				}
				return ""
			}
			t := func(name string) string { return artifact.Text(k, name) }
			f = append(f, event.Str("interface", k.Name))
			if n, ok := artifact.Number(k, "EnableDHCP"); ok {
				f = append(f, event.Bool("dhcp", n != 0))
			}
			address := add("address", t("DhcpIPAddress"), t("IPAddress"))
			if address == "" {
				continue
			}
			in.Counts.Declared++
			in.Counts.Decoded++
			add("mask", t("DhcpSubnetMask"), t("SubnetMask"))
			add("gateway", t("DhcpDefaultGateway"), t("DefaultGateway"))
			server := add("dhcp_server", t("DhcpServer"))
			add("name_servers", t("NameServer"), t("DhcpNameServer"))
			add("domain", t("DhcpDomain"), t("Domain"))
			obtained, ends := epoch(artifact.Number(k, "LeaseObtainedTime")), epoch(artifact.Number(k, "LeaseTerminatesTime"))
			if obtained.Valid() {
				f = append(f, event.When("lease_obtained", obtained), event.When("lease_ends", ends))
			}
			set, current := h.CurrentSet(k.Path())
			f = append(f, event.Str("control_set", set), event.Bool("current_set", current), event.When("key_written", event.Ticks(k.LastWritten)))
			fact.To = max(fact.To, event.Ticks(k.LastWritten))
			e := &event.Event{
				Address: server, RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)), Fields: f, Action: event.Configured,
			}
			if obtained.Valid() && server != "" {
				e.Ticks, e.Precision, e.Meaning, e.Action = obtained, event.Second, "address leased", event.Connected
				e.Message = fmt.Sprintf("address %s leased from %s", address, server)
			} else {
				e.Fact, e.To, e.Meaning = true, event.Ticks(k.LastWritten), "address set"
				e.Message = "address set: " + address
			}
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

func epoch(n uint64, ok bool) event.Ticks {
	if !ok || n == 0 || n > 1<<32-1 {
		return 0
	}
	return event.Ticks(n*10000000 + 116444736000000000)
}

// Clients are the hosts that programs for remote work remember for a user.
var Clients = artifact.Spec{
	Name:   "network/clients",
	Title:  "Hosts of remote desktop, PuTTY and WinSCP",
	Globs:  artifact.HiveGlobs(artifact.HiveUser),
	Loose:  artifact.LooseHive(artifact.HiveUser),
	Fields: []string{"client", "host", "port", "user_name", "protocol", "position", "host_key", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyTool,
	Card: artifact.Card{
		Proves:    "The program of this profile was used or set up for this host: a host key was accepted (so a connection was made), a session was saved, an address was entered.",
		NotProven: "When (but for the key's last write), how often, what was transferred; in a roaming profile, that it was this machine.",
		Clock:     "System UTC, 100 ns (FILETIME of the key), for keys that belong to one host.",
		Retention: "Until deleted; remote desktop keeps 10 addresses.",
		Switches:  "None known.",
		Source:    "Documentation of PuTTY (appendix C) and WinSCP (storage of settings); libyal winreg-kb, \"Terminal server client\".",
	},
	Read: readClients,
}

func readClients(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	c := &clients{in: in, h: h, emit: emit}
	c.remoteDesktop()
	for _, tool := range []struct{ name, key, host, user, port, protocol string }{
		{"PuTTY", `Software\SimonTatham\PuTTY`, "HostName", "UserName", "PortNumber", "Protocol"},
		{"WinSCP", `Software\Martin Prikryl\WinSCP 2`, "HostName", "UserName", "PortNumber", "FSProtocol"},
	} {
		for k := range h.Find(in, tool.key+`\SshHostKeys`) {
			for v := range h.Values(in, k) {
				// rsa2@22:host
				kind, rest, _ := strings.Cut(v.Name, "@")
				port, host, ok := strings.Cut(rest, ":")
				if !ok {
					continue
				}
				c.put(k.LastWritten, v.Offset, k.Path(), h.Name(k), v.Name, true, "host key accepted", host,
					[]event.Field{event.Str("client", tool.name), event.Str("host", host), event.Str("port", port), event.Str("host_key", kind)})
			}
		}
		for k := range h.Find(in, tool.key+`\Sessions\*`) {
			host := artifact.Text(k, tool.host)
			if host == "" {
				continue
			}
			f := []event.Field{event.Str("client", tool.name), event.Str("host", host)}
			if n, ok := artifact.Number(k, tool.port); ok {
				f = append(f, event.Str("port", fmt.Sprint(n)))
			}
			if s := artifact.Text(k, tool.user); s != "" {
				f = append(f, event.Str("user_name", s))
			}
			c.put(k.LastWritten, k.Offset, k.Path(), h.Name(k), "", false, "session saved", host, f)
		}
	}
	if c.err != nil {
		return c.err
	}
	in.Cover(coverage.Fact{History: coverage.Recording, State: h.State(), To: c.last, How: "keys of Terminal Server Client, PuTTY, WinSCP"})
	return nil
}

type clients struct {
	in   *artifact.Input
	h    *artifact.Hive
	emit func(*event.Event) error
	last event.Ticks
	err  error
}

func (c *clients) remoteDesktop() {
	for k := range c.h.Find(c.in, `Software\Microsoft\Terminal Server Client\Default`) {
		for v := range c.h.Values(c.in, k) {
			n, isMRU := strings.CutPrefix(strings.ToUpper(v.Name), "MRU")
			host, _ := v.Text()
			if !isMRU || host == "" {
				continue
			}
			c.put(k.LastWritten, v.Offset, k.Path(), c.h.Name(k), v.Name, n != "0", "address of a remote desktop", host,
				[]event.Field{event.Str("client", "remote desktop"), event.Str("host", host), event.Str("position", n)})
		}
	}
	for k := range c.h.Find(c.in, `Software\Microsoft\Terminal Server Client\Servers\*`) {
		f := []event.Field{event.Str("client", "remote desktop"), event.Str("host", k.Name)}
		if s := artifact.Text(k, "UsernameHint"); s != "" {
			f = append(f, event.Str("user_name", s))
		}
		c.put(k.LastWritten, k.Offset, k.Path(), c.h.Name(k), "", false, "remote desktop to this host set up", k.Name, f)
	}
}

// put emits a host: an event where the key's time is its own, else a fact.
func (c *clients) put(written uint64, offset int64, inner, key, value string, fact bool, meaning, host string, f []event.Field) {
	c.in.Counts.Declared++
	c.in.Counts.Decoded++
	c.last = max(c.last, event.Ticks(written))
	e := &event.Event{
		Meaning: meaning, Action: event.Configured, Host: host, RegistryKey: key, RegistryValue: value, UserSID: c.h.Owner(), User: c.h.User,
		At: c.h.At(c.in, offset, inner), Length: 24, Fields: append(f, event.When("key_written", event.Ticks(written))),
		Message: meaning + ": " + host,
	}
	if meaning == "host key accepted" { // the other records may be of attempts
		e.Action = event.Connected
	}
	if c.h.User != "" {
		e.Message = c.h.User + ": " + e.Message
	}
	if e.Ticks = event.Ticks(written); fact || !e.Ticks.Valid() {
		e.Fact, e.To, e.Ticks = true, event.Ticks(written), 0
	}
	if c.err == nil {
		c.err = c.emit(e)
	}
}
