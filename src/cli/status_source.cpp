// SPDX-License-Identifier: Apache-2.0
#include "cli/status_source.hpp"

#include <fcntl.h>
#include <smmu.h>
#include <smmu_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/query.hpp"
#include "protocol/result.hpp"

namespace smmu::cli {

namespace {

constexpr std::size_t largest_document = std::size_t{1} << 30;

Result<std::string> text_of(int file, const std::string& what) {
    struct stat status{};
    if (fstat(file, &status) != 0 || std::size_t(status.st_size) > largest_document)
        return fail(EIO, what + " cannot be read");
    std::string text(std::size_t(status.st_size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t count = pread(file, text.data() + done, text.size() - done, off_t(done));
        if (count <= 0) return fail(EIO, what + " cannot be read");
        done += std::size_t(count);
    }
    return text;
}

Result<std::string> ask_service() {
    if (smmu_init(0) != 0) return fail(errno, smmu_strerror_last());
    const auto document = client::query(protocol::View::status);
    smmu_fini();
    if (!document) return std::unexpected(protocol::to_error(document.error()));
    return text_of(document->get(), "the service's answer");
}

Result<std::string> read_file(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(errno, path + ": " + std::strerror(errno));
    return text_of(file.get(), path);
}

}  // namespace

Result<StatusDocument> read_status(const std::string& from) {
    StatusDocument document;
    SMMU_TRY(document.text, from.empty() ? ask_service() : read_file(from));
    std::string why;
    if (!report::from_json(document.text, document.status, why))
        return fail(EPROTO, (from.empty() ? "the service's answer makes no sense: "
                                          : from + " is not what smmuctl --json status prints: ") + why);
    return document;
}

}  // namespace smmu::cli
