// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "report/status.hpp"

namespace smmu::report {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Owner, pid, uid, command, object)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NamedValue, name, value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Unit, name, kind, registers, origin, segment, state, version, mode, found, problem,
                                   interrupts_remapped, take_over_us, pause_us, spaces, spaces_possible,
                                   commands, flushes, register_values)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Range, first, last)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Stream, unit, cache, id, origin)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FirmwareGrant, kind, first, last, access, honoured, origin)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Device, id, qnx_id, description, origin, state, intent, is_bridge,
                                                secondary, subordinate, group, streams, registers, grants, owner,
                                                refused)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Mapping, first, last, physical, access, by_fd)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Object, id, owner, devices, mappings, mappings_left_out, exposed_by_rounding, table_frames)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Finding, id, severity, origin, text)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Group, id, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Protected, first, last, what)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Superseded, device, unit, fact, origin, by)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Event, sequence, time_us, unit, device, access, cause, stream, stream_known, address, address_known,
                                   count, since_removal_us, owner, raw)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Status, version, platform, generation, start_us, interrupts_forgeable,
                                                table_bytes, table_bytes_used, transgressions, lost_by_hardware, units,
                                                devices, objects, findings, groups, protected_memory, superseded,
                                                refusals)

namespace {
constexpr int schema = 1;
// Names come from firmware and from other processes: bytes that are no UTF-8 are replaced, never fatal.
std::string text_of(const json& document, int indent) {
    return document.dump(indent, ' ', false, json::error_handler_t::replace);
}
}  // namespace

std::string to_json(const Status& status) {
    json document = status;
    document["schema"] = schema;
    return text_of(document, 2);
}

std::string to_json(const Event& event) { return text_of(json(event), -1); }

bool from_json(const std::string& text, Status& status, std::string& why) {
    try {
        const json document = json::parse(text);
        if (document.at("schema") != schema) {
            why = "it is of another version of the service";
            return false;
        }
        for (const char* needed : {"units", "devices", "objects"}) (void)document.at(needed);
        status = document.get<Status>();
        return true;
    } catch (const json::exception& error) {
        why = error.what();
        return false;
    }
}

}  // namespace smmu::report
