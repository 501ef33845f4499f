// SPDX-License-Identifier: Apache-2.0
#include "cli/service_query.hpp"

#include <smmu.h>
#include <smmu_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "client/query.hpp"
#include "protocol/result.hpp"

namespace smmu::cli {

Result<std::string> query_status() {
    if (smmu_init(0) != 0) return fail(errno, smmu_strerror_last());
    const auto document = client::query(protocol::View::status);
    smmu_fini();
    if (!document) return std::unexpected(protocol::to_error(document.error()));

    struct stat status{};
    if (fstat(document->get(), &status) != 0) return fail(EIO, "the service's answer cannot be read");
    std::string text(std::size_t(status.st_size), '\0');
    if (pread(document->get(), text.data(), text.size(), 0) != ssize_t(text.size()))
        return fail(EIO, "the service's answer cannot be read");
    return text;
}

}  // namespace smmu::cli
