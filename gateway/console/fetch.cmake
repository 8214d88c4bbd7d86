# cmake -DSOURCE=... -DSTORE=... -DOUT=... -P fetch.cmake
# Brings what package-lock.json pins to OUT: from STORE, where an earlier build
# left it, else with `npm ci`, which takes it from npm's own cache or asks its
# registry, checks each package against the lock file and runs none of their
# scripts. STORE is shared by all builds of a tree, so it is locked meanwhile.
file(SHA256 "${SOURCE}/package-lock.json" lock)
string(SUBSTRING "${lock}" 0 12 lock)
set(store "${STORE}/console-${lock}")
set(map "${store}/node_modules/maplibre-gl")
set(chart "${store}/node_modules/uplot")

file(MAKE_DIRECTORY "${STORE}")
file(LOCK "${STORE}/lock" TIMEOUT 300 RESULT_VARIABLE locked)
if(NOT locked EQUAL 0)
    message(FATAL_ERROR "console: another build has held ${STORE}/lock for 5 minutes")
endif()
if(NOT EXISTS "${store}/complete")
    find_program(npm npm)
    if(NOT npm)
        message(FATAL_ERROR
            "console: the map library is not in ${store}, and there is no npm "
            "to fetch it with: install Debian's packages nodejs and npm "
            "(deploy/install-packages build), or copy build/npm from a tree "
            "that was built, or build without the console's map with "
            "-DPT_CONSOLE_MAP=OFF")
    endif()
    file(REMOVE_RECURSE "${store}")
    file(COPY "${SOURCE}/package.json" "${SOURCE}/package-lock.json"
              "${SOURCE}/.npmrc" DESTINATION "${store}")
    execute_process(
        COMMAND "${npm}" ci --ignore-scripts --prefer-offline --no-audit --no-fund
        WORKING_DIRECTORY "${store}" RESULT_VARIABLE failed
        OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT failed EQUAL 0)
        message(FATAL_ERROR
            "console: npm could not fetch the map library:\n${said}\n"
            "Without a network, copy build/npm from a tree that was built, or "
            "build without the console's map with -DPT_CONSOLE_MAP=OFF")
    endif()
    file(TOUCH "${store}/complete")
endif()
foreach(name maplibre-gl-csp.js maplibre-gl-csp-worker.js maplibre-gl.css)
    file(COPY_FILE "${map}/dist/${name}" "${OUT}/${name}")
endforeach()
file(COPY_FILE "${map}/LICENSE.txt" "${OUT}/maplibre-gl-license.txt")
foreach(name uPlot.iife.min.js uPlot.min.css)
    file(COPY_FILE "${chart}/dist/${name}" "${OUT}/${name}")
endforeach()
file(COPY_FILE "${chart}/LICENSE" "${OUT}/uplot-license.txt")
