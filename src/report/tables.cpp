// SPDX-License-Identifier: Apache-2.0
#include "report/tables.hpp"

#include <nlohmann/json.hpp>

namespace smmu::report {
namespace {

using nlohmann::ordered_json;

constexpr int schema = 1;

ordered_json json_of(const ListedDevice& device) {
    ordered_json streams = ordered_json::array();
    for (const ListedStream& stream : device.streams)
        streams.push_back({{"unit", stream.unit}, {"first", stream.first}, {"last", stream.last}});
    return {{"id", device.id ? ordered_json(*device.id) : ordered_json()},
            {"path", device.path},
            {"type", device.type},
            {"streams", std::move(streams)},
            {"origin", device.origin}};
}

template <class Item, class Write>
ordered_json list_of(const std::vector<Item>& items, Write write) {
    ordered_json list = ordered_json::array();
    for (const Item& item : items) list.push_back(write(item));
    return list;
}

}  // namespace

std::string to_json(const TableListing& listing) {
    const ordered_json document{
        {"schema", schema},
        {"units", list_of(listing.units,
                          [](const ListedUnit& unit) {
                              return ordered_json{{"kind", unit.kind},
                                                  {"registers", unit.registers},
                                                  {"register_bytes", unit.register_bytes},
                                                  {"segment", unit.segment},
                                                  {"supported", unit.supported},
                                                  {"takes_the_rest", unit.takes_the_rest},
                                                  {"origin", unit.origin}};
                          })},
        {"devices", list_of(listing.devices, json_of)},
        {"reserved", list_of(listing.reserved,
                             [](const ListedReserved& region) {
                                 return ordered_json{{"first", region.first},
                                                     {"last", region.last},
                                                     {"devices", region.devices},
                                                     {"origin", region.origin}};
                             })},
        {"windows", list_of(listing.windows,
                            [](const ListedWindow& window) {
                                return ordered_json{{"segment", window.segment},
                                                    {"first_bus", window.first_bus},
                                                    {"last_bus", window.last_bus},
                                                    {"base", window.base},
                                                    {"origin", window.origin}};
                            })},
        {"frames", list_of(listing.frames,
                           [](const ListedFrame& frame) {
                               return ordered_json{{"what", frame.what},
                                                   {"doorbell", frame.doorbell},
                                                   {"first", frame.first},
                                                   {"last", frame.last},
                                                   {"origin", frame.origin}};
                           })},
        {"findings", list_of(listing.findings, [](const Finding& finding) {
             return ordered_json{{"id", finding.id},
                                 {"severity", finding.severity},
                                 {"origin", finding.origin},
                                 {"text", finding.text}};
         })}};
    // Names come from firmware: bytes that are no UTF-8 are replaced, never fatal.
    return document.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace smmu::report
