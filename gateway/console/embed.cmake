# cmake -DFILES=a.js|b.css -DOUT=table.c -P embed.cmake
# Writes a C file that holds the files as they are, and the table of them.
set(known_js "text/javascript; charset=utf-8")
set(known_css "text/css; charset=utf-8")
set(known_html "text/html; charset=utf-8")
set(known_svg "image/svg+xml")
set(known_txt "text/plain; charset=utf-8")

string(REPLACE "|" ";" files "${FILES}")
set(blocks "")
set(rows "")
set(count 0)
foreach(file IN LISTS files)
    cmake_path(GET file FILENAME name)
    cmake_path(GET file EXTENSION LAST_ONLY type)
    string(SUBSTRING "${type}" 1 -1 type)
    if(NOT DEFINED known_${type})
        message(FATAL_ERROR "${file}: no content type for .${type}")
    endif()
    file(SHA256 "${file}" sum)
    string(SUBSTRING "${sum}" 0 16 sum)
    string(APPEND blocks
        "__asm__(\".section .rodata\\n\"\n"
        "        \"console_file_${count}:\\n\"\n"
        "        \".incbin \\\"${file}\\\"\\n\"\n"
        "        \"console_file_${count}_end:\\n\"\n"
        "        \".byte 0\\n.previous\\n\");\n"
        "HIDDEN console_file_${count}[];\nHIDDEN console_file_${count}_end[];\n")
    file(SIZE "${file}" size)
    string(APPEND rows
        "    {\"${name}\", \"${known_${type}}\", \"\\\"${sum}\\\"\",\n"
        "     console_file_${count}, ${size}},\n")
    math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUT}"
    "#include \"console_internal.h\"\n"
    "#define HIDDEN extern const unsigned char __attribute__((visibility(\"hidden\")))\n"
    "${blocks}"
    "const struct console_file console_files[] = {\n${rows}};\n"
    "const size_t console_file_count = ${count};\n")
